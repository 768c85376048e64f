"""Hamiltonian Monte Carlo that tunes itself, on many chains at once."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from diffeo.density import Seed, as_generator
from diffeo.errors import DataError, ShapeError
from diffeo.inference.mcmc.adaptation import DualAveraging, Length, Moments
from diffeo.inference.mcmc.chains import Chains
from diffeo.inference.mcmc.leapfrog import (
    LogDensity,
    State,
    choose,
    kinetic,
    trajectory,
    with_gradient,
)

__all__ = ["hmc"]

LEAST_WARMUP = 20
MOST_STEPS = 256
# long enough to lose energy by, far from the typical set
STEPS_AT_FIRST = 5
# an energy error beyond this is a divergence
DIVERGENT = 1000.0
# trajectories take between 1 - JITTER and 1 + JITTER of their length, for fear of periods
JITTER = 0.4
# a quarter of the period of a normal: the best length if nothing is correlated
QUARTER = math.pi / 2


def hmc(
    log_prob: LogDensity,
    start: Tensor,
    *,
    warmup: int = 500,
    draws: int = 500,
    target_acceptance: float = 0.7,
    seed: Seed = None,
) -> Chains:
    """Draws from a log-density by Hamiltonian Monte Carlo.

    All chains move together, one batch of gradients at a time. While they warm up they learn,
    pooled, a scale for each coordinate (the diagonal mass matrix), a step size (dual averaging on
    the harmonic mean of the chains' acceptance) and the length of trajectories (ChEES); after that
    nothing changes any more. It is at its best on a nearly standard normal target, such as the
    posterior seen from the base of a flow fitted to it, log p(T(z)) + ladj(z) (NeuTra), where a
    draw costs two to four gradients.

    Judge the result by ``Chains.rhat`` (below 1.01), ``ess_bulk`` and ``divergences``. Parts of the
    target that no chain has visited do not show in any of them.

    Args:
        log_prob: points (chains, dim) to log-densities (chains,), up to a constant, each row from
            itself alone, differentiable by torch. NaN and infinities are refused as proposals.
        start: (chains, dim), where each chain starts; better spread out, as draws of an
            approximation are. A dozen chains or more tune better than a few.
        warmup: steps of each chain that are thrown away, at least 20.
        draws: steps of each chain that are kept.
        target_acceptance: harmonic mean of the chains' acceptance that the step size aims at (the
            arithmetic one is larger); nearer to 1 for smaller steps, where there are divergences.
        seed: seed, or generator on the device of ``start``.

    Raises:
        ShapeError: a start that is not (chains, dim).
        TargetError: a log_prob that gives another shape, or values without a gradient.
        DataError: a chain that starts where log-density or gradient are not finite.
        ValueError: too few steps, or a target_acceptance outside (0, 1).

    Reference: "MCMC Using Hamiltonian Dynamics", Neal, 2011, arXiv:1206.1901; "An Adaptive-MCMC
    Scheme for Setting Trajectory Lengths in Hamiltonian Monte Carlo", Hoffman, Radul, Sountsov,
    2021, AISTATS; "NeuTra-lizing Bad Geometry in Hamiltonian Monte Carlo Using Neural Transport",
    Hoffman, Sountsov, Dillon, Langmore, Tran, Vasudevan, 2019, arXiv:1903.03704.

    Example:
        >>> import torch
        >>> from diffeo.inference import hmc
        >>> start = torch.randn(16, 3, generator=torch.Generator().manual_seed(0))
        >>> chains = hmc(lambda x: -(x**2).sum(-1) / 2, start, warmup=100, draws=200, seed=0)
        >>> chains.draws.shape
        torch.Size([16, 200, 3])
        >>> bool((chains.rhat < 1.01).all())
        True
    """
    if start.ndim != 2 or 0 in start.shape or not start.is_floating_point():
        raise ShapeError(
            f"start must hold floating-point points (chains, dim), at least one of one number, "
            f"got {start.dtype} of shape {tuple(start.shape)}"
        )
    if warmup < LEAST_WARMUP or draws < 1:
        raise ValueError(
            f"warmup must be at least {LEAST_WARMUP} and draws at least 1, got {warmup} and {draws}"
        )
    if not 0 < target_acceptance < 1:
        raise ValueError(f"target_acceptance must be between 0 and 1, got {target_acceptance}")
    sampler = _Sampler(log_prob, start, as_generator(seed, start.device))
    step, length = _warm_up(sampler, warmup, target_acceptance)
    moves = [sampler.move(step, length) for _ in range(draws)]
    return Chains(
        draws=torch.stack([move.state.position for move in moves], dim=1),
        log_prob=torch.stack([move.state.log_prob for move in moves], dim=1),
        acceptance=torch.stack([move.acceptance for move in moves], dim=1).mean(1),
        divergences=torch.stack([move.divergent for move in moves], dim=1).sum(1),
        step_size=step,
        scale=sampler.scale,
        gradients=sampler.gradients,
    )


class _Move(NamedTuple):
    """One step of all chains; what it tried, besides where the chains are now."""

    state: State
    before: Tensor
    proposal: Tensor
    momentum: Tensor
    acceptance: Tensor
    divergent: Tensor
    # ran off the support, which no smaller step would have prevented
    left: Tensor
    time: float
    # how far the step size asked for was used
    used: float


class _Sampler:
    """The chains' present state, and how they move."""

    def __init__(
        self, log_prob: LogDensity, start: Tensor, generator: torch.Generator | None
    ) -> None:
        self.log_prob = log_prob
        self.generator = generator
        self.gradients = 0
        self.scale = torch.ones_like(start[0])
        self.state = self._gradient(start)
        # multiples of the golden ratio fill the interval evenly
        self._phase = float(torch.rand((), generator=generator, device=start.device))
        good = self.state.log_prob.isfinite() & self.state.gradient.isfinite().all(-1)
        if not good.all():
            chain = int((~good).nonzero()[0])
            raise DataError(
                f"chain {chain} of {len(start)} starts where log-density "
                f"({float(self.state.log_prob[chain])}) or gradient are not finite "
                f"({int((~good).sum())} such chains); start where the target has density"
            )

    def _gradient(self, position: Tensor) -> State:
        self.gradients += len(position)
        return with_gradient(self.log_prob, position)

    def _momentum(self) -> Tensor:
        like = self.state.position
        return torch.randn(
            like.shape, dtype=like.dtype, device=like.device, generator=self.generator
        )

    def move(self, step: float, length: float) -> _Move:
        """A trajectory of about ``length`` for each chain, accepted or not."""
        self._phase = (self._phase + (math.sqrt(5) - 1) / 2) % 1
        time = length * (1 + JITTER * (2 * self._phase - 1))
        steps = max(1, min(math.ceil(time / step), MOST_STEPS))
        used = min(time / steps, step)
        before = self.state
        momentum = self._momentum()
        end = trajectory(self._gradient, before, momentum, used, steps, self.scale)
        error = _energy_change(before, momentum, end.state, end.momentum)
        acceptance = torch.exp(-error.clamp(min=0))
        acceptance = torch.where(end.broken, 0.0, acceptance)
        uniform = torch.rand(
            acceptance.shape,
            dtype=acceptance.dtype,
            device=acceptance.device,
            generator=self.generator,
        )
        self.state = choose(uniform < acceptance, end.state, before)
        return _Move(
            state=self.state,
            before=before.position,
            proposal=end.state.position,
            momentum=end.momentum,
            acceptance=acceptance,
            divergent=end.broken | (error > DIVERGENT),
            left=end.broken & (error.abs() < 1),
            time=used * steps,
            used=used / step,
        )

    def reasonable_step(self, step: float, target: float) -> float:
        """``step`` doubled or halved until one leapfrog step is accepted about as wished."""
        grow: bool | None = None
        for _ in range(100):
            momentum = self._momentum()
            end = trajectory(self._gradient, self.state, momentum, step, 1, self.scale)
            error = _energy_change(self.state, momentum, end.state, end.momentum)
            accepted = float(torch.where(end.broken, 0.0, torch.exp(-error.clamp(min=0))).mean())
            if grow is None:
                grow = accepted > target
            if grow != (accepted > target):
                break
            step *= 2.0 if grow else 0.5
        return step


def _energy_change(before: State, momentum: Tensor, after: State, end: Tensor) -> Tensor:
    """(chains,); +inf where the energy is not a number any more."""
    change = before.log_prob - after.log_prob + kinetic(end) - kinetic(momentum)
    return change.nan_to_num(nan=torch.inf, posinf=torch.inf)


def _warm_up(sampler: _Sampler, warmup: int, target: float) -> tuple[float, float]:
    """The step size and length that the chains have learned; the sampler's scale is set."""
    moments = Moments(sampler.state.position)
    # to the typical set; then scale and length; then the step size for what they have become
    first, last = max(warmup // 6, 5), max(warmup // 5, 10)
    step = DualAveraging(sampler.reasonable_step(0.5, target), target)
    for _ in range(first):
        move = sampler.move(step.step, STEPS_AT_FIRST * step.step)
        # none may be left behind
        _learn_step(step, move, least=1e-3)
        moments.update(move.state.position)
    sampler.scale = moments.scale()
    step = DualAveraging(sampler.reasonable_step(0.5, target), target)
    length = Length(QUARTER)
    for _ in range(warmup - first - last):
        move = sampler.move(step.step, length.length)
        _learn_step(step, move)
        start, end = ((x - moments.mean) / sampler.scale for x in (move.before, move.proposal))
        length.update(start, end, move.momentum, move.acceptance, move.time)
        length.limit(step.average * MOST_STEPS / 2)
        moments.update(move.state.position)
        sampler.scale = moments.scale()
    step = DualAveraging(step.average, target)
    for _ in range(last):
        _learn_step(step, sampler.move(step.step, length.average))
    return step.average, length.average


def _learn_step(step: DualAveraging, move: _Move, least: float = 0.1) -> None:
    """Learn from the harmonic mean of acceptances, each taken as ``least`` at least.

    That mean minds the few chains that are stuck where the others pass; with a ``least`` of 0.1 it
    puts up with a hopeless one in twenty.
    """
    # hard bounds of the support say nothing about the step, unless hardly a chain stays inside
    bounded = 0 < move.left.double().mean() <= 0.75
    counted = move.acceptance[~move.left] if bounded else move.acceptance
    acceptance = 1 / float((1 / counted.clamp(min=least)).mean())
    # a step longer than the whole trajectory has not been tried
    if move.used > 0.5 or acceptance < step.target:
        step.update(acceptance)
