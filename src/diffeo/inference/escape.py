"""Whether chains leave the region where an approximation has draws."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from diffeo.inference.approximation import Approximation
from diffeo.inference.latent import ChainsStoppedError
from diffeo.inference.mcmc import hmc
from diffeo.inference.target import Target

__all__ = ["escapes"]

CHAINS, WARMUP, DRAWS = 32, 20, 5
# one chain may do so by chance
FEWEST = 2


def escapes(
    approximation: Approximation,
    target: Target,
    z: Tensor,
    weights: Tensor,
    highest: float,
    generator: torch.Generator,
    most_gradients: int,
) -> list[str]:
    """Where Hamiltonian chains in the frame's coordinates end up that begin at weighted draws.

    A flow that covers part of a connected region, such as the middle of a long banana, has good
    weights there, and its latent space is closed around it. Chains outside that space walk out of
    it, to points of weights p / q that no draw of the flow has.

    Args:
        approximation, target: the flow and what it approximates.
        z: draws of the approximation (n, dim).
        weights: their normalised importance weights (n).
        highest: largest log p - log q of them.
        generator: of the chains.
        most_gradients: that the chains may take; beyond that they say nothing.

    Returns:
        One sentence, or none.
    """
    frame, end = approximation.frame, target.gradients + most_gradients

    def log_prob(e: Tensor) -> Tensor:
        if target.gradients >= end:
            raise ChainsStoppedError(f"the chains have taken {most_gradients} gradients")
        return target.log_prob(frame.at(e))

    begin = z[torch.multinomial(weights, CHAINS, replacement=True, generator=generator)]
    try:
        chains = hmc(log_prob, frame.noise(begin), warmup=WARMUP, draws=DRAWS, seed=generator)
    except ChainsStoppedError:
        return []
    last = frame.at(chains.draws[:, -1])
    with torch.no_grad():
        weight = target.log_prob(last) - approximation.log_prob(last)
    beyond = weight > highest
    if int(beyond.sum()) < FEWEST:
        return []
    ratio = math.exp(min(float(weight[beyond].median()) - highest, 700.0))
    return [
        f"{int(beyond.sum())} of {CHAINS} chains that begin at the flow's draws leave the region "
        f"where it has draws, to points where it is {ratio:.1g} times too thin"
    ]
