"""Markov chains in the latent space of an approximation: a check of it, and its remedy."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from diffeo.bases import MultivariateNormalMixture
from diffeo.density import Density, Seed
from diffeo.errors import DiffeoError, TargetError
from diffeo.inference.approximation import Approximation
from diffeo.inference.convergence import ess_bulk, rhat
from diffeo.inference.gaussian import Gaussian
from diffeo.inference.mcmc import Chains, hmc, independence_metropolis
from diffeo.inference.start import Start
from diffeo.inference.target import Target
from diffeo.objectives.target import LogDensity

__all__ = ["ChainsStoppedError", "disagreements", "independent_chains", "latent_chains"]

# of the check: enough to see a region that the flow has missed, at a few per cent of a fit's cost
CHECK_CHAINS, CHECK_STEPS = 64, 60
# standard deviations between means, ratio between standard deviations, and how many standard
# errors either must be beyond chance
SHIFT, RATIO, ERRORS = 0.25, 1.3, 5.0
# of one mode, for it to be compared by itself
LEAST_CHAINS = 4


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

    Where the base is a mixture, each chain moves in the coordinates in which the component that is
    most responsible for its start is standard.

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
    latent = approximation.latent(target, approximation.offset(target))
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
        local = _component(approximation.flow.base, noise)
        chains = hmc(
            lambda e: log_prob(local.at(e)),
            local.noise(noise),
            warmup=warmup,
            draws=draws,
            seed=seed,
        )
    finally:
        approximation.requires_grad_(True)
    u = local.at(chains.draws.transpose(0, 1)).transpose(0, 1)
    z = approximation.from_latent(u.flatten(0, 1)).reshape(u.shape)
    return replace(chains, draws=z)


def _component(base: Density, noise: Tensor) -> Gaussian:
    """For each point (n, dim) the normal of the base that has most to do with it."""
    n, dim = noise.shape
    if not isinstance(base, MultivariateNormalMixture):
        return Gaussian(torch.zeros_like(noise), torch.eye(dim).to(noise).expand(n, -1, -1))
    normals = Gaussian(base.loc, base.scale_tril)
    return normals[(normals.log_prob(noise.unsqueeze(-2)) + base.log_weights).argmax(-1)]


def _usable(log_prob: LogDensity, noise: Tensor) -> Tensor:
    point = noise.detach().requires_grad_()
    value = log_prob(point)
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
    # as many at each mode as its weight wants, not by chance
    shares = start.log_weights.exp().cumsum(0)
    places = (torch.arange(CHECK_CHAINS) + 0.5) / CHECK_CHAINS
    chosen = torch.searchsorted(shares, places.to(shares)).clamp(max=len(shares) - 1)
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
    groups = _by_mode(start, chains, z, weights)
    compared = [_compared(*group) for group in groups]
    shift = max(shift for shift, _ in compared)
    ratio = max((ratio for _, ratio in compared), key=lambda ratio: abs(math.log(ratio)))
    found = []
    if shift > 0:
        found.append(
            f"latent chains and the flow disagree: their means are up to {shift:.2f} sd apart"
        )
    if ratio != 1:
        found.append(
            f"latent chains and the flow disagree: the chains' spread is {ratio:.2f} times "
            f"the flow's"
        )
    # chains of several modes stay where they began
    worst_rhat = float(rhat(chains).max()) if len(start.log_weights) == 1 else 1.0
    if not worst_rhat < 1.3:
        found.append(f"latent chains begun at different points do not mix (R-hat {worst_rhat:.2f})")
    return found


# chains (chains, draws, dim), flow's draws (n, dim), their weights (n)
Group = tuple[Tensor, Tensor, Tensor]


def _by_mode(start: Start, chains: Tensor, z: Tensor, weights: Tensor) -> list[Group]:
    """What is to be compared: where chains stay at the modes at which they began, each mode."""
    everything = [(chains, z, weights)]
    if len(start.log_weights) == 1:
        return everything
    of_chains = start.responsibilities(chains.flatten(0, 1)).argmax(-1).reshape(chains.shape[:2])
    home = of_chains[:, 0]
    stay = (of_chains == home.unsqueeze(-1)).all(-1)
    if float(stay.double().mean()) < 0.5:
        return everything
    of_draws = start.responsibilities(z).argmax(-1)
    groups: list[Group] = []
    for mode in range(len(start.log_weights)):
        mine, here = chains[stay & (home == mode)], of_draws == mode
        if len(mine) >= LEAST_CHAINS and bool((weights[here] > 0).any()):
            groups.append((mine, z[here], weights[here] / weights[here].sum()))
    return groups or everything


def _compared(chains: Tensor, z: Tensor, weights: Tensor) -> tuple[float, float]:
    """Largest shift of a mean, in sd, and worst ratio of spreads; 0 and 1 where chance explains."""
    mean = weights @ z
    sd = (weights @ (z - mean).square()).sqrt()
    at = (chains - mean) / sd
    ess = 1 / (1 / _at_least_one(ess_bulk(at)) + weights.square().sum())
    shift = at.mean((0, 1)).abs()
    ratio = at.std((0, 1))
    # a variance is a mean of squares: their effective number and spread count
    spread = at.square().flatten(0, 1).std(0) / (2 * ratio * ess.sqrt())
    off = (shift > SHIFT) & (shift > ERRORS / ess.sqrt())
    unlike = (ratio > RATIO) | (ratio < 1 / RATIO)
    unlike &= (ratio - 1).abs() > ERRORS * spread
    worst = ratio[unlike][ratio[unlike].log().abs().argmax()] if bool(unlike.any()) else 1.0
    return float(shift[off].max()) if bool(off.any()) else 0.0, float(worst)


def _at_least_one(ess: Tensor) -> Tensor:
    return ess.nan_to_num(nan=1.0).clamp(min=1.0)
