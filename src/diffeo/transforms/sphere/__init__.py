"""Transforms of unit vectors, with Jacobians by the surface measure."""

from diffeo.transforms.sphere.cylinder import FromCylinder, OnCylinder
from diffeo.transforms.sphere.exponential import ExponentialMap
from diffeo.transforms.sphere.moebius import Moebius

__all__ = ["ExponentialMap", "FromCylinder", "Moebius", "OnCylinder"]
