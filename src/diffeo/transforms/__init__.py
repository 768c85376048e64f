"""Invertible maps on events, with both directions and both log-determinants."""

from diffeo.transform import Transform
from diffeo.transforms.autoregressive import MaskedAutoregressive
from diffeo.transforms.compose import Inverse, Sequential
from diffeo.transforms.constrain import Constrain
from diffeo.transforms.coupling import Coupling
from diffeo.transforms.elementwise import Elementwise
from diffeo.transforms.lu import LU
from diffeo.transforms.orthogonal import Cayley, Householder, Rotation
from diffeo.transforms.permutations import Permutation, Reverse
from diffeo.transforms.scaling import ActNorm, Standardize

__all__ = [
    "LU",
    "ActNorm",
    "Cayley",
    "Constrain",
    "Coupling",
    "Elementwise",
    "Householder",
    "Inverse",
    "MaskedAutoregressive",
    "Permutation",
    "Reverse",
    "Rotation",
    "Sequential",
    "Standardize",
    "Transform",
]
