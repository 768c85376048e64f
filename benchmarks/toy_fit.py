"""Fit a flow to a toy density and compare it with the truth, point by point."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from toy_densities import Toy

__all__ = ["Gap", "draw", "fit_and_compare"]

ENTROPY = 200_000


@dataclass(frozen=True)
class Gap:
    """How far a fitted density is from the truth; nats, with standard errors.

    Attributes:
        entropy: mean of the true -log p over fresh points.
        test_nll: mean of the fitted -log q over test points.
        above: their difference.
        paired: mean of log p - log q on the test points: what the fit itself loses.
        seconds: of processor time in the fit.
        parameters: of the flow.
    """

    entropy: tuple[float, float]
    test_nll: tuple[float, float]
    above: float
    paired: tuple[float, float]
    seconds: float
    parameters: int


def draw(toy: Toy, n: int, seed: int) -> Tensor:
    """``n`` points."""
    return toy.sample(n, torch.Generator().manual_seed(seed))


def _mean(x: Tensor) -> tuple[float, float]:
    return float(x.mean()), float(x.std() / len(x) ** 0.5)


def fit_and_compare(
    flow: Any, toy: Toy, *, train: int, test: int, seed: int, **options: Any
) -> Gap:
    """Fit on ``train`` points, compare on ``test`` others."""
    start = time.process_time()
    flow.fit(draw(toy, train, seed + 1), seed=seed, progress=False, **options)
    seconds = time.process_time() - start
    points = draw(toy, test, seed + 2)
    with torch.no_grad():
        log_prob = torch.cat([flow.log_prob(rows) for rows in points.float().split(10_000)])
    log_prob = log_prob.double()
    fresh = toy.log_prob(draw(toy, ENTROPY, seed + 3))
    return Gap(
        entropy=_mean(-fresh),
        test_nll=_mean(-log_prob),
        above=float(fresh.mean() - log_prob.mean()),
        paired=_mean(toy.log_prob(points) - log_prob),
        seconds=seconds,
        parameters=sum(p.numel() for p in flow.parameters()),
    )
