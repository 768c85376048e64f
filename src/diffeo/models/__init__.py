"""Named architectures."""

from diffeo.models.affine import IAF, MAF, NICE, RealNVP
from diffeo.models.names import model_class
from diffeo.models.nsf import NSF

__all__ = ["IAF", "MAF", "NICE", "NSF", "RealNVP", "model_class"]
