"""Normal approximations along the way up to a mode."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from diffeo.inference.ascent import Iterate, climb
from diffeo.inference.gaussian import Gaussian
from diffeo.inference.target import Target

__all__ = ["Paths", "elbos", "pathfinder"]

DRAWS = 10
# slope at a mode, in nats a standard deviation, with room for rounding
LEVEL = 0.1


@dataclass
class Paths:
    """What climbers found.

    Attributes:
        normal: of batch (starts), the best normal approximation on the way.
        elbo: its estimate (starts), -inf where none was found.
        end: the last point (starts, dim).
        settled: whether the last point is a mode, to rounding (starts).
    """

    normal: Gaussian
    elbo: Tensor
    end: Tensor
    settled: Tensor


def pathfinder(
    target: Target, start: Tensor, *, iterations: int, generator: torch.Generator
) -> Paths:
    """For each start, the best normal approximation on the way up from it.

    At each iterate x of a quasi-Newton ascent, N(x + H grad log p(x), H) with H the estimate of the
    inverse Hessian; the one of the largest ELBO is kept, which need not be that at the mode.

    Args:
        target: the log-density.
        start: points (starts, dim).
        iterations: of the ascent, at most.
        generator: draws the noise of the ELBO.

    Reference: "Pathfinder: Parallel quasi-Newton variational inference", Zhang, Carpenter, Gelman,
    Vehtari, 2022, arXiv:2108.03782.
    """
    eye = torch.eye(target.dim, dtype=start.dtype, device=start.device)
    best = Gaussian(start.clone(), eye.repeat(len(start), 1, 1))
    elbo = torch.full_like(start[:, 0], -torch.inf)
    paths = Paths(best, elbo, start, torch.zeros_like(elbo, dtype=torch.bool))
    for now in climb(target, start, iterations):
        normal, usable = _normal(now)
        found = torch.where(usable, elbos(target, normal, DRAWS, generator), -torch.inf)
        better = found > elbo
        elbo[better] = found[better]
        best.mean[better], best.scale_tril[better] = normal.mean[better], normal.scale_tril[better]
        # beside a pole no step climbs either
        slope = (best.scale_tril.mT @ now.gradient.unsqueeze(-1)).squeeze(-1)
        paths.end, paths.settled = now.x, now.settled & (slope.norm(dim=-1) < LEVEL)
    return paths


def _normal(now: Iterate) -> tuple[Gaussian, Tensor]:
    """The normals at an iterate, and which of them are ones."""
    inverse = now.inverse_hessian
    factor, failed = torch.linalg.cholesky_ex((inverse + inverse.mT) / 2)
    mean = now.x + (inverse @ now.gradient.unsqueeze(-1)).squeeze(-1)
    usable = (failed == 0) & factor.isfinite().flatten(1).all(-1) & mean.isfinite().all(-1)
    eye = torch.eye(inverse.shape[-1], dtype=inverse.dtype, device=inverse.device)
    chosen = usable[:, None, None]
    return Gaussian(
        torch.where(chosen[..., 0], mean, now.x), torch.where(chosen, factor, eye)
    ), usable


def elbos(target: Target, normal: Gaussian, draws: int, generator: torch.Generator) -> Tensor:
    """Estimated ELBOs (*batch) of normals, -inf where the density is zero at a draw."""
    shape = (draws, *normal.mean.shape)
    noise = torch.randn(shape, generator=generator, dtype=normal.mean.dtype)
    x = normal.at(noise)
    with torch.no_grad():
        log_p = target.log_prob(x.reshape(-1, target.dim)).reshape(shape[:-1])
    return (log_p - normal.log_prob_at(noise)).mean(0)
