"""Named models by their names."""

from __future__ import annotations

import difflib
from typing import Any

from diffeo import storage
from diffeo.errors import UnknownModelError
from diffeo.flow import Flow
from diffeo.mixture import Ensemble, Mixture
from diffeo.models.affine import IAF, MAF, NICE, RealNVP
from diffeo.models.bnaf import BNAF
from diffeo.models.circular import CircularNSF
from diffeo.models.continuous import CNF, OTFlow
from diffeo.models.flow_matching import FlowMatching
from diffeo.models.gaussianization import Gaussianization
from diffeo.models.graphical import GraphicalFlow
from diffeo.models.monotone import NAF, UNAF, BernsteinFlow, SOSFlow
from diffeo.models.nsf import NSF
from diffeo.models.residual_classics import PlanarFlow, RadialFlow, SylvesterFlow
from diffeo.models.residual_flow import ResidualFlow
from diffeo.models.sphere_flow import SphereFlow
from diffeo.surjective_flow import SurjectiveFlow

__all__ = ["MODEL_NAMES", "model_class"]

_MODELS: dict[str, type[Flow]] = {
    cls.__name__.lower(): cls
    for cls in (
        BNAF,
        CNF,
        BernsteinFlow,
        CircularNSF,
        FlowMatching,
        Gaussianization,
        IAF,
        MAF,
        NAF,
        NICE,
        NSF,
        OTFlow,
        PlanarFlow,
        RadialFlow,
        RealNVP,
        ResidualFlow,
        SOSFlow,
        SphereFlow,
        SylvesterFlow,
        UNAF,
    )
}
MODEL_NAMES = sorted(_MODELS)
storage.register(Flow, GraphicalFlow, Mixture, Ensemble, SurjectiveFlow, *_MODELS.values())


def model_class(name: str) -> Any:
    """The model class of a name, in any case.

    Raises:
        UnknownModelError: naming the nearest names.
    """
    found = _MODELS.get(name.lower())
    if found is None:
        near = difflib.get_close_matches(name.lower(), _MODELS) or MODEL_NAMES
        raise UnknownModelError(f"no model is called {name!r}; did you mean {' or '.join(near)}?")
    return found
