"""Pyro: flows as guides, any density as a distribution of a model, and models as targets."""

from diffeo.adapters.pyro.distribution import FlowDistribution
from diffeo.adapters.pyro.guide import FlowGuide
from diffeo.adapters.pyro.target import PyroTarget

__all__ = ["FlowDistribution", "FlowGuide", "PyroTarget"]
