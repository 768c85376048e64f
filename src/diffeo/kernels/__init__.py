"""The few fused kernels that performance needs; without them everything runs as plain PyTorch."""

from diffeo.kernels.library import available
from diffeo.kernels.stack import plain, run, unwatched, usable
from diffeo.kernels.steps import (
    MOST_BINS,
    MOST_LINEARS,
    MOST_PLANAR,
    Conditioned,
    Diagonal,
    Matrix,
    Permuted,
    Planar,
    Step,
    TwoWayLayer,
)

__all__ = [
    "MOST_BINS",
    "MOST_LINEARS",
    "MOST_PLANAR",
    "Conditioned",
    "Diagonal",
    "Matrix",
    "Permuted",
    "Planar",
    "Step",
    "TwoWayLayer",
    "available",
    "plain",
    "run",
    "unwatched",
    "usable",
]
