"""Conditioner networks."""

from diffeo.nets.any_order import AnyOrderTransformer
from diffeo.nets.convolutional import ConvNet, ResidualConvNet, ZeroConv
from diffeo.nets.graph import GraphMLP
from diffeo.nets.lipschitz import LipschitzDense, LipschitzMLP
from diffeo.nets.masked import MaskedMLP, MaskedResidualMLP
from diffeo.nets.mlp import MLP, ResidualMLP
from diffeo.nets.potential import Potential
from diffeo.nets.standardize import StandardizeContext
from diffeo.nets.transformer import CausalTransformer, Transformer
from diffeo.nets.vector_field import Field, VectorField

__all__ = [
    "MLP",
    "AnyOrderTransformer",
    "CausalTransformer",
    "ConvNet",
    "Field",
    "GraphMLP",
    "LipschitzDense",
    "LipschitzMLP",
    "MaskedMLP",
    "MaskedResidualMLP",
    "Potential",
    "ResidualConvNet",
    "ResidualMLP",
    "StandardizeContext",
    "Transformer",
    "VectorField",
    "ZeroConv",
]
