"""Conditioner networks."""

from diffeo.nets.masked import MaskedMLP, MaskedResidualMLP
from diffeo.nets.mlp import MLP, ResidualMLP
from diffeo.nets.standardize import StandardizeContext

__all__ = ["MLP", "MaskedMLP", "MaskedResidualMLP", "ResidualMLP", "StandardizeContext"]
