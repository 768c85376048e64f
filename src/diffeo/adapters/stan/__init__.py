"""Posteriors written in Stan: a program and its data as a target for ``diffeo.fit_posterior``."""

from diffeo.adapters.stan.target import StanTarget

__all__ = ["StanTarget"]
