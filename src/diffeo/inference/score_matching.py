"""A normal approximation that matches scores."""

from __future__ import annotations

import torch
from torch import Tensor

from diffeo.inference.gaussian import Gaussian
from diffeo.inference.target import Target

__all__ = ["match_scores"]


def match_scores(
    target: Target, start: Gaussian, *, steps: int, batch: int, generator: torch.Generator
) -> Gaussian:
    """Batch and match: normals of which the scores match those of the target at their own draws.

    Each step minimises, in closed form, the score-based divergence between the new normal and the
    target at ``batch`` draws of the last, plus (t + 1) / (batch dim) times the KL to the last.

    Args:
        target: the log-density.
        start: one normal, mean (dim).
        steps: updates.
        batch: draws for each.
        generator: of the draws.

    Returns:
        The mean over the last half of the steps, in mean and covariance.

    Reference: "Batch and match: black-box variational inference with a score-based divergence",
    Cai, Modi, Pillaud-Vivien, Margossian, Gower, Blei, Saul, 2024, arXiv:2402.14758.
    """
    normal, tail = start, []
    for t in range(steps):
        noise = torch.randn(batch, target.dim, generator=generator, dtype=start.mean.dtype)
        x = normal.at(noise)
        value, gradient = target.value_and_gradient(x)
        good = value.isfinite()
        if int(good.sum()) < batch / 2:
            break
        new = _matched(normal, x[good], gradient[good], batch * target.dim / (t + 1))
        if new is None:
            break
        normal = new
        if t >= steps // 2:
            tail.append(normal)
    mean = _mean(tail) if tail else None
    return normal if mean is None else mean


def _matched(last: Gaussian, x: Tensor, score: Tensor, rate: float) -> Gaussian | None:
    """One step; None where rounding leaves no covariance."""
    # in the coordinates in which the last normal is standard
    z = last.noise(x)
    g = score @ last.scale_tril
    n, dim = z.shape
    eye = torch.eye(dim, dtype=z.dtype, device=z.device)
    z_mean, g_mean = z.mean(0), g.mean(0)
    z_cov = (z - z_mean).mT @ (z - z_mean) / n
    g_cov = (g - g_mean).mT @ (g - g_mean) / n
    share = rate / (1 + rate)
    u = rate * g_cov + share * torch.outer(g_mean, g_mean)
    v = eye + rate * z_cov + share * torch.outer(z_mean, z_mean)
    # S u S + S = v, with v = r r': S = 2 r (I + (I + 4 r' u r)^(1/2))^-1 r'
    root, failed = torch.linalg.cholesky_ex(v)
    if int(failed) or not bool(u.isfinite().all()):
        return None
    inner = root.mT @ u @ root
    values, vectors = torch.linalg.eigh((inner + inner.mT) / 2)
    weights = 2 / (1 + (1 + 4 * values.clamp(min=0)).sqrt())
    half = root @ vectors * weights.sqrt()
    covariance = half @ half.mT
    mean = share * (covariance @ g_mean + z_mean)
    factor, failed = torch.linalg.cholesky_ex(covariance)
    if int(failed):
        return None
    return Gaussian(last.at(mean), last.scale_tril @ factor)


def _mean(normals: list[Gaussian]) -> Gaussian | None:
    """The normal of their mean covariance; None where rounding leaves none."""
    mean = torch.stack([normal.mean for normal in normals]).mean(0)
    covariance = torch.stack([normal.covariance for normal in normals]).mean(0)
    factor, failed = torch.linalg.cholesky_ex(covariance)
    return None if int(failed) else Gaussian(mean, factor)
