"""Posteriors from a log-density, and how far to trust them."""

from diffeo.inference.convergence import ess_bulk, ess_tail, rhat
from diffeo.inference.fitting import fit_posterior
from diffeo.inference.mcmc import Chains, hmc, independence_metropolis
from diffeo.inference.parameters import Parameters
from diffeo.inference.posterior import Posterior, PosteriorChains
from diffeo.inference.psis import SmoothedWeights, elbo, log_evidence, psis, resample
from diffeo.inference.quality import Quality
from diffeo.inference.target import CallableTarget, GradientTarget, Target, numpy_target
from diffeo.inference.vae import FlowVAE, HamiltonianVAE

__all__ = [
    "CallableTarget",
    "Chains",
    "FlowVAE",
    "GradientTarget",
    "HamiltonianVAE",
    "Parameters",
    "Posterior",
    "PosteriorChains",
    "Quality",
    "SmoothedWeights",
    "Target",
    "elbo",
    "ess_bulk",
    "ess_tail",
    "fit_posterior",
    "hmc",
    "independence_metropolis",
    "log_evidence",
    "numpy_target",
    "psis",
    "resample",
    "rhat",
]
