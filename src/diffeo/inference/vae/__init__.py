"""The flow VAE: an encoder, a flow as the posterior, a decoder, as one model."""

from diffeo import storage
from diffeo.inference.vae.hamiltonian import HamiltonianVAE
from diffeo.inference.vae.latent_model import LatentModel
from diffeo.inference.vae.likelihoods import (
    Bernoulli,
    Categorical,
    DiscretisedLogistic,
    Gaussian,
    Likelihood,
)
from diffeo.inference.vae.model import FlowVAE
from diffeo.inference.vae.objective import ElboTerms, negative_elbo
from diffeo.inference.vae.posteriors import amortised_posterior

__all__ = [
    "Bernoulli",
    "Categorical",
    "DiscretisedLogistic",
    "ElboTerms",
    "FlowVAE",
    "Gaussian",
    "HamiltonianVAE",
    "LatentModel",
    "Likelihood",
    "amortised_posterior",
    "negative_elbo",
]

storage.register(Bernoulli, Categorical, DiscretisedLogistic, FlowVAE, Gaussian, HamiltonianVAE)
