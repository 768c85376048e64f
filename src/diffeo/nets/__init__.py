"""Conditioner networks."""

from diffeo.nets.any_order import AnyOrderTransformer
from diffeo.nets.convolutional import ConvNet, ResidualConvNet, ZeroConv
from diffeo.nets.lipschitz import LipschitzDense, LipschitzMLP
from diffeo.nets.masked import MaskedMLP, MaskedResidualMLP
from diffeo.nets.mlp import MLP, ResidualMLP
from diffeo.nets.standardize import StandardizeContext
from diffeo.nets.transformer import CausalTransformer, Transformer

__all__ = [
    "MLP",
    "AnyOrderTransformer",
    "CausalTransformer",
    "ConvNet",
    "LipschitzDense",
    "LipschitzMLP",
    "MaskedMLP",
    "MaskedResidualMLP",
    "ResidualConvNet",
    "ResidualMLP",
    "StandardizeContext",
    "Transformer",
    "ZeroConv",
]
