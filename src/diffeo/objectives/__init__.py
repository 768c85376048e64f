"""Functions from a density (and data, or a target) to a scalar loss."""

from diffeo.objectives.annealing import annealing
from diffeo.objectives.fisher import fisher
from diffeo.objectives.flow_matching import flow_matching, interpolate
from diffeo.objectives.importance import forward_kl, iwae
from diffeo.objectives.likelihood import negative_log_likelihood
from diffeo.objectives.renyi import alpha_divergence, renyi
from diffeo.objectives.reverse_kl import reverse_kl

__all__ = [
    "alpha_divergence",
    "annealing",
    "fisher",
    "flow_matching",
    "forward_kl",
    "interpolate",
    "iwae",
    "negative_log_likelihood",
    "renyi",
    "reverse_kl",
]
