"""Normals on the line, drawn at evenly spaced quantiles, so that means are nearly exact."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

import diffeo
from diffeo.draw import Draw

# p is log Z + N(MEAN, SCALE^2)
MEAN, SCALE, LOG_Z = 0.3, 1.4, 2.0
# q
LOC, WIDTH = -0.2, 1.1


def target(x: Tensor) -> Tensor:
    z = (x[..., 0] - MEAN) / SCALE
    return LOG_Z - z.square() / 2 - math.log(SCALE) - math.log(2 * math.pi) / 2


class Quantiles(diffeo.bases.DiagonalNormal):
    """A learned normal whose n draws are its quantiles (i + 1/2) / n."""

    def _rsample(self, draw: Draw) -> Tensor:
        count = math.prod(draw.shape)
        at = (torch.arange(count, dtype=self.like.dtype) + 0.5) / count
        noise = torch.special.ndtri(at).reshape(*draw.shape, 1)
        return self.loc + self.log_scale.exp() * noise


def quantiles(loc: float = LOC, width: float = WIDTH) -> Quantiles:
    return Quantiles(1, loc, width, learned=True).double()


def normal(loc: float = LOC, width: float = WIDTH) -> diffeo.bases.DiagonalNormal:
    return diffeo.bases.DiagonalNormal(1, loc, width, learned=True).double()


def gradient_of(loss: Tensor, density: torch.nn.Module) -> Tensor:
    """To all parameters, as one vector; of a normal, (loc, log scale)."""
    parameters = list(density.parameters())
    found = torch.autograd.grad(loss, parameters, retain_graph=True, materialize_grads=True)
    return torch.cat([g.flatten() for g in found])


Closed = Callable[[Tensor, Tensor], Tensor]


def closed(formula: Closed, loc: float = LOC, width: float = WIDTH) -> tuple[float, Tensor]:
    """Value of ``formula(loc, scale)`` and its gradient to (loc, log scale)."""
    at = torch.tensor([loc, math.log(width)], dtype=torch.float64, requires_grad=True)
    value = formula(at[0], at[1].exp())
    (gradient,) = torch.autograd.grad(value, at)
    return float(value.detach()), gradient


def kl_to_target(loc: Tensor, scale: Tensor) -> Tensor:
    """KL(q || p)."""
    return math.log(SCALE) - scale.log() + (scale**2 + (loc - MEAN) ** 2) / (2 * SCALE**2) - 0.5


def kl_from_target(loc: Tensor, scale: Tensor) -> Tensor:
    """KL(p || q)."""
    return scale.log() - math.log(SCALE) + (SCALE**2 + (loc - MEAN) ** 2) / (2 * scale**2) - 0.5


def log_power(loc: Tensor, scale: Tensor, alpha: float) -> Tensor:
    """log of the integral of p^alpha q^(1 - alpha), p normalised."""
    spread = (1 - alpha) * SCALE**2 + alpha * scale**2
    gap = alpha * (1 - alpha) * (loc - MEAN) ** 2 / (2 * spread)
    return (1 - alpha) * math.log(SCALE) + alpha * scale.log() - spread.log() / 2 - gap
