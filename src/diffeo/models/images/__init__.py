"""Named architectures of images."""

from diffeo.models.images.denoise import denoise
from diffeo.models.images.tarflow import TarFlow

__all__ = ["TarFlow", "denoise"]
