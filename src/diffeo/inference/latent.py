"""Markov chains in the latent space of an approximation: a check of it, and its remedy."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from diffeo.density import Seed
from diffeo.errors import DiffeoError, TargetError
from diffeo.inference.approximation import Approximation
from diffeo.inference.convergence import ess_bulk, rhat
from diffeo.inference.mcmc import Chains, hmc, independence_metropolis
from diffeo.inference.start import Start
from diffeo.inference.target import Target

__all__ = ["ChainsStoppedError", "disagreements", "independent_chains", "latent_chains"]

# of the check: enough to see a region that the flow has missed, at a few per cent of a fit's cost
CHECK_CHAINS, CHECK_STEPS = 64, 60
# standard deviations between means, ratio between standard deviations, and how many standard
# errors either must be beyond chance
SHIFT, RATIO, ERRORS = 0.25, 1.3, 5.0


class ChainsStoppedError(DiffeoError):
    """Chains need more gradients than they were given."""


def latent_chains(
    approximation: Approximation,
    target: Target,
    start: Tensor,
    *,
    warmup: int,
    draws: int,
    seed: Seed,
    most_gradients: int | None = None,
) -> Chains:
    """Hamiltonian chains in the flow's latent space, as draws z (chains, draws, dim).

    Args:
        approximation: whose flow maps the noise.
        target: the log-density.
        start: points z (chains, dim) to start at; those where the density is zero are left out.
        warmup, draws, seed: as ``hmc``.
        most_gradients: at which the chains are given up.

    Raises:
        TargetError: no start has a finite density and gradient.
        ChainsStoppedError: they would take more gradients.

    Reference: "NeuTra-lizing Bad Geometry in Hamiltonian Monte Carlo Using Neural Transport",
    Hoffman, Sountsov, Dillon, Langmore, Tran, Vasudevan, 2019, arXiv:1903.03704.
    """
    with torch.no_grad():
        here = target.log_prob(approximation.mean.to(target.dtype).unsqueeze(0))
        offset = float(here) if math.isfinite(float(here)) else 0.0
    latent = approximation.latent(target, offset)
    end = math.inf if most_gradients is None else target.gradients + most_gradients

    def log_prob(u: Tensor) -> Tensor:
        if target.gradients >= end:
            raise ChainsStoppedError(f"the chains have taken {most_gradients} gradients")
        return latent(u)

    noise = approximation.to_latent(start)
    # gradients to the weights are nobody's concern
    approximation.requires_grad_(False)
    try:
        noise = noise[noise.isfinite().all(-1)]
        noise = noise[_usable(latent, noise)]
        if not len(noise):
            raise TargetError("log_prob or its gradient is not finite at any start of the chains")
        chains = hmc(log_prob, noise, warmup=warmup, draws=draws, seed=seed)
    finally:
        approximation.requires_grad_(True)
    z = approximation.from_latent(chains.flat()).reshape(chains.draws.shape)
    return replace(chains, draws=z)


def _usable(log_prob: object, noise: Tensor) -> Tensor:
    point = noise.detach().requires_grad_()
    value = log_prob(point)  # type: ignore[operator]
    (gradient,) = torch.autograd.grad(value.sum(), point)
    usable: Tensor = value.isfinite() & gradient.isfinite().all(-1)
    return usable


def independent_chains(
    approximation: Approximation,
    target: Target,
    *,
    chains: int,
    draws: int,
    generator: torch.Generator,
) -> Chains:
    """Metropolis chains whose proposals are draws of the approximation."""

    def propose(n: int) -> tuple[Tensor, Tensor, Tensor]:
        z, log_q = approximation.sample_and_log_prob(n, generator)
        with torch.no_grad():
            return z, target.log_prob(z.to(target.dtype)).double(), log_q

    return independence_metropolis(propose, chains=chains, draws=draws, seed=generator)


def disagreements(
    approximation: Approximation,
    target: Target,
    start: Start,
    z: Tensor,
    weights: Tensor,
    generator: torch.Generator,
    most_gradients: int,
) -> list[str]:
    """Where short latent chains, begun at the start's draws, contradict weighted draws z (n, dim).

    Weights see only where the flow looks; chains go where the density leads them.

    Args:
        approximation, target: the flow and what it approximates.
        start: the normals that the fit began with.
        z: draws of the approximation (n, dim).
        weights: their normalised importance weights (n).
        generator: of the chains.
        most_gradients: that the chains may take; good ones take about 30,000.

    Returns:
        One sentence for each finding.
    """
    chosen = torch.multinomial(start.log_weights.exp(), CHECK_CHAINS, True, generator=generator)
    noise = torch.randn((CHECK_CHAINS, target.dim), generator=generator, dtype=torch.float64)
    points = start.normals[chosen].at(noise)
    try:
        chains = latent_chains(
            approximation,
            target,
            points,
            warmup=CHECK_STEPS,
            draws=CHECK_STEPS,
            seed=generator,
            most_gradients=most_gradients,
        ).draws
    except ChainsStoppedError:
        return [
            f"latent chains need more than {most_gradients:,} gradients to move, as they do where "
            f"the flow is far from the target"
        ]
    mean = weights @ z
    sd = (weights @ (z - mean).square()).sqrt()
    at = (chains - mean) / sd
    ess = 1 / (1 / _at_least_one(ess_bulk(at)) + weights.square().sum())
    shift = at.mean((0, 1)).abs()
    ratio = at.std((0, 1))
    # a variance is a mean of squares: their effective number and spread count
    spread = at.square().flatten(0, 1).std(0) / (2 * ratio * ess.sqrt())
    unlike = (ratio > RATIO) | (ratio < 1 / RATIO)
    off = (shift > SHIFT) & (shift > ERRORS / ess.sqrt())
    unlike &= (ratio - 1).abs() > ERRORS * spread
    found = []
    if bool(off.any()):
        found.append(
            f"latent chains and the flow disagree: their means are up to "
            f"{float(shift[off].max()):.2f} sd apart"
        )
    if bool(unlike.any()):
        worst = ratio[unlike][(ratio[unlike].log().abs()).argmax()]
        found.append(
            f"latent chains and the flow disagree: the chains' spread is {float(worst):.2f} times "
            f"the flow's"
        )
    # chains of several modes stay where they began
    alone = len(start.log_weights) == 1
    worst_rhat = float(rhat(at).max())
    if alone and not worst_rhat < 1.3:
        found.append(f"latent chains begun at different points do not mix (R-hat {worst_rhat:.2f})")
    return found


def _at_least_one(ess: Tensor) -> Tensor:
    return ess.nan_to_num(nan=1.0).clamp(min=1.0)
