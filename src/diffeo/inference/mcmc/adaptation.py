"""What Hamiltonian Monte Carlo learns while it warms up."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["DualAveraging", "Length", "Moments"]

# a target on which every step is accepted, or none, would drive the step out of range
LOG_STEP_BOUND = 300.0


class DualAveraging:
    """A step size e at which proposals are accepted as often as wished.

        log e_t = mu - (sqrt(t) / gamma) / (t + t_0) sum_{i <= t} (target - acceptance_i)

    with mu = log e_0, gamma = 0.05 and t_0 = 10, and an average of log e_t with weights t^-0.75 for
    use afterwards.

    Args:
        step: where it starts.
        target: wished mean acceptance.

    Reference: "The No-U-Turn Sampler: Adaptively Setting Path Lengths in Hamiltonian Monte Carlo",
    Hoffman, Gelman, 2014, arXiv:1111.4246 (section 3.2).
    """

    def __init__(self, step: float, target: float) -> None:
        self.step = self.average = step
        self.target = target
        self._mu = math.log(step)
        self._count = 0
        self._shortfall = 0.0

    def update(self, acceptance: float) -> None:
        """Learn from the mean acceptance of one step of all chains."""
        self._count += 1
        t = self._count
        weight = 1 / (t + 10)
        self._shortfall += weight * (self.target - acceptance - self._shortfall)
        log_step = self._mu - math.sqrt(t) / 0.05 * self._shortfall
        log_step = min(max(log_step, -LOG_STEP_BOUND), LOG_STEP_BOUND)
        self.step = math.exp(log_step)
        forget = t**-0.75
        self.average = math.exp(forget * log_step + (1 - forget) * math.log(self.average))


class Moments:
    """Running mean and variance of the draws of all chains, late ones counting most.

    Draw t has a weight in proportion to t^3, so that what was seen before the chains had found
    their place is soon forgotten.

    Attributes:
        mean: (dim,).
        count: draws seen.

    Reference: "Stochastic Gradient Descent for Non-smooth Optimization", Shamir, Zhang, 2012,
    arXiv:1212.1824 (polynomial-decay averaging).
    """

    def __init__(self, position: Tensor) -> None:
        self.mean = position.mean(0)
        self.count = 0
        self._variance = torch.zeros_like(self.mean)
        self._updates = 0

    def update(self, position: Tensor) -> None:
        """Learn from one draw of all chains, (chains, dim)."""
        self._updates += 1
        self.count += len(position)
        weight = 4 / (self._updates + 3)
        change = position.mean(0) - self.mean
        self.mean = self.mean + weight * change
        within = position.var(0, unbiased=False)
        self._variance = (1 - weight) * (self._variance + weight * change**2) + weight * within

    def scale(self) -> Tensor:
        """Standard deviations (dim,); of few draws nearer to their geometric mean."""
        log_variance = self._variance.clamp(min=torch.finfo(self.mean.dtype).tiny).log()
        share = self.count / (self.count + 5)
        return (share * log_variance / 2 + (1 - share) * log_variance.mean() / 2).exp()


class Length:
    """The length T of trajectories, as integration time, by the ChEES criterion.

    C(T) = E (|x'|^2 - |x|^2)^2 / 4, the change of squared distance from the mean between the ends
    of a trajectory, is largest where neighbouring draws have the least to do with one another. Its
    gradient by log T, for an end x' with velocity v' after the time t, is

        E (|x'|^2 - |x|^2) (x' . v') t.

    T climbs log C(T) - log(T) / 4, so that it does not stray where C is flat and long trajectories
    are nothing but expensive, in steps of RMSProp's size. E is over chains, by their acceptance.

    Args:
        length: where it starts.

    Reference: "An Adaptive-MCMC Scheme for Setting Trajectory Lengths in Hamiltonian Monte Carlo",
    Hoffman, Radul, Sountsov, 2021, AISTATS.
    """

    def __init__(self, length: float) -> None:
        self.length = self.average = length
        self._square = 0.0
        self._updates = 0

    def update(
        self, start: Tensor, end: Tensor, velocity: Tensor, acceptance: Tensor, time: float
    ) -> None:
        """Learn from one trajectory of each chain.

        Args:
            start, end, velocity: (chains, dim), in units of the scale, distances from the mean.
            acceptance: (chains,).
            time: how long the trajectories took.
        """
        change = end.square().sum(-1) - start.square().sum(-1)
        each = change * (end * velocity).sum(-1) * time - change.square() / 16
        slope = float((acceptance * each).sum() / acceptance.sum().clamp(min=1e-6))
        # squares out of range: the chains run away, or do not move
        if not 0 < slope * slope < math.inf:
            return
        self._updates += 1
        self._square += 0.05 * (slope**2 - self._square)
        size = math.sqrt(self._square / (1 - 0.95**self._updates))
        self.length *= math.exp(0.05 * slope / size)
        forget = 4 / (self._updates + 3)
        self.average *= math.exp(forget * math.log(self.length / self.average))

    def limit(self, longest: float) -> None:
        """Keep T below a bound."""
        self.length = min(self.length, longest)
