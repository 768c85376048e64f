"""Maps onto other event spaces that are not one-to-one: what carries integers and categories."""

from diffeo.surjections.argmax import Argmax
from diffeo.surjections.augment import Augment
from diffeo.surjections.binary_argmax import BinaryArgmax
from diffeo.surjections.dequantize import UniformDequantization, VariationalDequantization
from diffeo.surjections.pixels import (
    UniformPixelDequantization,
    VariationalPixelDequantization,
)
from diffeo.surjections.slice import Slice
from diffeo.surjections.surjection import Surjection

__all__ = [
    "Argmax",
    "Augment",
    "BinaryArgmax",
    "Slice",
    "Surjection",
    "UniformDequantization",
    "UniformPixelDequantization",
    "VariationalDequantization",
    "VariationalPixelDequantization",
]
