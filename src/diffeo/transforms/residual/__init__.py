"""Residual layers: the identity and a contraction."""

from diffeo.transforms.residual.layer import Residual

__all__ = ["Residual"]
