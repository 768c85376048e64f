"""Markov chains on a log-density, many at a time."""

from diffeo.inference.mcmc.chains import Chains
from diffeo.inference.mcmc.hmc import hmc
from diffeo.inference.mcmc.independence import independence_metropolis

__all__ = ["Chains", "hmc", "independence_metropolis"]
