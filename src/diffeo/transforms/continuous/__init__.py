"""Transforms that follow a velocity through time."""

from diffeo.transforms.continuous.transform import Continuous

__all__ = ["Continuous"]
