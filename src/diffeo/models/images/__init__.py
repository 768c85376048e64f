"""Named architectures of images."""

from diffeo import storage
from diffeo.models.images.denoise import denoise
from diffeo.models.images.flow_plus_plus import FlowPlusPlus
from diffeo.models.images.glow import Glow
from diffeo.models.images.real_nvp import ImageRealNVP
from diffeo.models.images.tarflow import TarFlow

__all__ = ["FlowPlusPlus", "Glow", "ImageRealNVP", "TarFlow", "denoise"]

storage.register(FlowPlusPlus, Glow, ImageRealNVP, TarFlow)
