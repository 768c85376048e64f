"""Conditional densities of the columns of a table given others."""

from diffeo.tabular.regression.capacity import Capacity
from diffeo.tabular.regression.chain import Chain

__all__ = ["Capacity", "Chain"]
