"""Maps onto other event spaces that are not one-to-one: integers, labels, signs, orders, steps."""

from diffeo.surjections.absolute import AbsoluteValue, RandomSign
from diffeo.surjections.argmax import Argmax
from diffeo.surjections.augment import Augment
from diffeo.surjections.binary_argmax import BinaryArgmax
from diffeo.surjections.dequantize import UniformDequantization, VariationalDequantization
from diffeo.surjections.langevin import Langevin, Metropolis
from diffeo.surjections.maximum import MaxPool
from diffeo.surjections.order import RandomOrder, Shuffle, Sort
from diffeo.surjections.pixels import (
    UniformPixelDequantization,
    VariationalPixelDequantization,
)
from diffeo.surjections.slice import Slice
from diffeo.surjections.stochastic import Stochastic
from diffeo.surjections.surjection import Surjection

__all__ = [
    "AbsoluteValue",
    "Argmax",
    "Augment",
    "BinaryArgmax",
    "Langevin",
    "MaxPool",
    "Metropolis",
    "RandomOrder",
    "RandomSign",
    "Shuffle",
    "Slice",
    "Sort",
    "Stochastic",
    "Surjection",
    "UniformDequantization",
    "UniformPixelDequantization",
    "VariationalDequantization",
    "VariationalPixelDequantization",
]
