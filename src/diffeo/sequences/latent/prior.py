"""Flows of sequences of latents, of three kinds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from diffeo.bases import StandardNormal
from diffeo.flow import Flow
from diffeo.models.assembly import autoregressions, couplings
from diffeo.sequences.latent.recurrence import RecurrentTransform
from diffeo.transforms import Sequential
from diffeo.univariates import RationalQuadraticSpline, Univariate

__all__ = ["PriorKind", "recurrent_prior"]

PriorKind = Literal["af/af", "af/scf", "iaf/scf"]


def recurrent_prior(
    kind: PriorKind,
    steps: int,
    latent: int,
    *,
    hidden: int,
    recurrent_layers: int = 1,
    layers: int = 2,
    step_hidden: Sequence[int] = (128,),
    univariate: Univariate | None = None,
    dropout: float = 0.0,
) -> Flow:
    """A flow of sequences (steps, latent) that is autoregressive over the steps.

    Args:
        kind: "af/af" (an LSTM reads the latents before; within a step, masked autoregressive
            layers), "af/scf" (within a step, couplings), or "iaf/scf" (the LSTM reads the noise of
            the steps before, so that a sample takes one pass and a density goes step by step).
        steps, latent: of a sequence.
        hidden, recurrent_layers, dropout: of the LSTM.
        layers, step_hidden: of the flow within a step.
        univariate: its scalar map; by default a rational-quadratic spline of 8 bins.

    Raises:
        ValueError: another kind.
        ShapeError: sizes that do not fit.

    Reference: "Latent Normalizing Flows for Discrete Sequences", Ziegler, Rush, 2019,
    arXiv:1901.10548.
    """
    if kind not in get_args(PriorKind):
        raise ValueError(f"the prior must be one of {get_args(PriorKind)}, got {kind!r}")
    time, _, within = kind.partition("/")
    stack = autoregressions if within == "af" else couplings
    scalar = RationalQuadraticSpline() if univariate is None else univariate
    build = stack(scalar, context=hidden, hidden=step_hidden, residual=False)
    step = Sequential(*(build(i, latent) for i in range(layers)))
    return Flow(
        StandardNormal((steps, latent)),
        RecurrentTransform(
            steps,
            step,
            hidden=hidden,
            layers=recurrent_layers,
            dropout=dropout,
            inverse_autoregressive=time == "iaf",
        ),
    )
