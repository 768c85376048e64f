"""Invertible maps on events, with both directions and both log-determinants."""

from diffeo.transform import Transform
from diffeo.transforms.autoregressive import MaskedAutoregressive
from diffeo.transforms.compose import Inverse, Sequential
from diffeo.transforms.constrain import Constrain
from diffeo.transforms.coupling import Coupling
from diffeo.transforms.elementwise import Elementwise
from diffeo.transforms.linear import LU, Permutation, Reverse
from diffeo.transforms.scaling import ActNorm, Standardize

__all__ = [
    "LU",
    "ActNorm",
    "Constrain",
    "Coupling",
    "Elementwise",
    "Inverse",
    "MaskedAutoregressive",
    "Permutation",
    "Reverse",
    "Sequential",
    "Standardize",
    "Transform",
]
