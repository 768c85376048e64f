"""Layers of images: events of shape (channels, height, width)."""

from diffeo.transforms.images.coupling import ImageCoupling
from diffeo.transforms.images.pixelwise import Pixelwise
from diffeo.transforms.images.split import Split
from diffeo.transforms.images.squeeze import Reshape, Squeeze

__all__ = ["ImageCoupling", "Pixelwise", "Reshape", "Split", "Squeeze"]
