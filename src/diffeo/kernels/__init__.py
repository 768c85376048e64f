"""The few fused kernels that performance needs; without them everything runs as plain PyTorch."""

from diffeo.kernels.library import available
from diffeo.kernels.stack import plain, run
from diffeo.kernels.steps import Conditioned, Diagonal, Matrix, Permuted, Planar, Step

__all__ = [
    "Conditioned",
    "Diagonal",
    "Matrix",
    "Permuted",
    "Planar",
    "Step",
    "available",
    "plain",
    "run",
]
