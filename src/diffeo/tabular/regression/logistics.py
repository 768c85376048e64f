"""Mixtures of logistics: density, distribution function and its inverse, in closed form."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from diffeo.roots import invert_increasing

__all__ = ["Logistics"]

# steps to either side over which a logistic of a scale up to one step is summed: exp(-40) is left
CELLS = 40


@dataclass(frozen=True)
class Logistics:
    """F(y) = sum_k w_k sigmoid((y - m_k) / s_k), the units k along the last axis.

    As a flow, u = F(y) takes y to the uniform distribution.

    Attributes:
        log_weight: log w_k (..., units), whose exponentials sum to 1.
        location: m_k (..., units).
        log_scale: log s_k (..., units).
    """

    log_weight: Tensor
    location: Tensor
    log_scale: Tensor

    def double(self) -> Logistics:
        """The same in float64."""
        return Logistics(self.log_weight.double(), self.location.double(), self.log_scale.double())

    def merged(self, log_share: Tensor) -> Logistics:
        """Members (members, ..., units) as one mixture (..., members * units).

        Args:
            log_share: logs of the members' weights (members,), whose exponentials sum to 1.
        """

        def flat(t: Tensor) -> Tensor:
            return t.movedim(0, -2).flatten(-2)

        share = log_share.reshape(-1, *(1,) * (self.log_weight.ndim - 1))
        return Logistics(flat(self.log_weight + share), flat(self.location), flat(self.log_scale))

    def repeated(self, count: int) -> Logistics:
        """(count, ..., units), without a copy."""
        each = (self.log_weight, self.location, self.log_scale)
        return Logistics(*(t.expand(count, *t.shape) for t in each))

    def log_prob(self, y: Tensor, step: float = 0.0) -> Tensor:
        """log of (F(y + step/2) - F(y - step/2)) / step at y (...), or of F' for a step of 0.

        With a step it is the density of this mixture plus uniform noise of width ``step``: at most
        1 / step, and on a lattice of that step the probability of a point over the step.
        """
        z = (y[..., None] - self.location) * torch.exp(-self.log_scale)
        if step > 0:
            # sigmoid(b) - sigmoid(a) = sigmoid(b) sigmoid(-a) (1 - exp(a - b)): nothing cancels
            half = step / 2 * torch.exp(-self.log_scale)
            inside = torch.log(-torch.expm1(-2 * half)) - math.log(step)
            each = F.logsigmoid(z + half) + F.logsigmoid(half - z) + inside
        else:
            each = F.logsigmoid(z) + F.logsigmoid(-z) - self.log_scale
        return torch.logsumexp(self.log_weight + each, -1)

    def mean(self) -> Tensor:
        """sum_k w_k m_k."""
        return (self.log_weight.exp() * self.location).sum(-1)

    def rounded_mean(self, origin: float, step: float) -> Tensor:
        """The mean of y rounded to origin + k step, k whole."""
        location = (self.location - origin) / step
        scale = self.log_scale.exp() / step
        wide = scale > 1
        if bool(wide.all()):
            return self.mean()
        nearest = location.round()
        shift = location - nearest
        total = nearest
        for j in range(1, CELLS + 1):
            # P(at least j cells above) - P(at least j cells below)
            above, below = (shift - j + 0.5) / scale, (-shift - j + 0.5) / scale
            total = total + torch.sigmoid(above) - torch.sigmoid(below)
        # rounding moves the mean of a wide one by less than 1e-6 of the step
        mean = torch.where(wide, location, total)
        return origin + step * (self.log_weight.exp() * mean).sum(-1)

    def quantile(self, p: Tensor) -> Tensor:
        """The y with F(y) = p in (0, 1), of the shape of ``location`` without its last axis."""
        logit = torch.logit(p)
        # every unit's own quantile; that of the mixture lies between them
        each = self.location + self.log_scale.exp() * logit[..., None]
        y, _ = invert_increasing(
            self._logit_cdf, logit, each.amin(-1), each.amax(-1), "FlowRegressor"
        )
        return y

    def _logit_cdf(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """logit F(y) and the log of its slope: all but linear in the tails, good for Newton."""
        z = (y[..., None] - self.location) * torch.exp(-self.log_scale)
        below = torch.logsumexp(self.log_weight + F.logsigmoid(z), -1)
        above = torch.logsumexp(self.log_weight + F.logsigmoid(-z), -1)
        return below - above, self.log_prob(y) - below - above

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Draws (n, ...)."""
        shape = self.location.shape[:-1]
        weights = self.log_weight.exp().reshape(-1, self.log_weight.shape[-1])
        unit = torch.multinomial(weights, n, replacement=True, generator=generator)
        unit = unit.t().reshape(n, *shape, 1)
        every = self.repeated(n)
        location = every.location.gather(-1, unit)[..., 0]
        log_scale = every.log_scale.gather(-1, unit)[..., 0]
        u = torch.rand(location.shape, generator=generator, dtype=location.dtype)
        # 0 would be minus infinity
        noise = torch.logit(u.clamp(min=torch.finfo(u.dtype).tiny))
        return location + log_scale.exp() * noise
