"""Posteriors from a log-density, and how far to trust them."""

from diffeo.inference.parameters import Parameters
from diffeo.inference.target import CallableTarget, GradientTarget, Target, numpy_target

__all__ = ["CallableTarget", "GradientTarget", "Parameters", "Target", "numpy_target"]
