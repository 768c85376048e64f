"""Latent flows of sequences; the number of features is the width of a step."""

from __future__ import annotations

from typing import Any

from diffeo.inference.vae import Categorical
from diffeo.sequences import LatentSequenceFlow
from diffeo.sequences.latent import RecurrentTransform, recurrent_prior
from registry.entry import Entry

SMALL: dict[str, Any] = {"hidden": 6, "layers": 2, "step_hidden": (8,)}


def _model(width: int, _: int, **options: Any) -> LatentSequenceFlow:
    return LatentSequenceFlow(3, width, latent=2, **SMALL, **options)


TRANSFORMS: list[Entry] = [
    Entry(
        f"RecurrentTransform {kind}",
        (RecurrentTransform,),
        lambda d, _, kind=kind: recurrent_prior(kind, 3, d, **SMALL).transform,  # type: ignore[misc]
        features=(1, 2),
    )
    for kind in ("af/af", "af/scf", "iaf/scf")
]
DENSITIES: list[Entry] = [
    *(
        Entry(
            f"LatentSequenceFlow {kind}",
            (LatentSequenceFlow,),
            lambda d, _, kind=kind: _model(d, 0, prior=kind),  # type: ignore[misc]
            features=(2,),
        )
        for kind in ("af/af", "af/scf", "iaf/scf")
    ),
    Entry(
        "LatentSequenceFlow of labels",
        (LatentSequenceFlow,),
        lambda d, _: _model(d, 0, likelihood=Categorical(3), dropout=0.1, recurrent_layers=2),
        features=(1,),
    ),
]
