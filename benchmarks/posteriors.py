"""fit_posterior, untuned, on three targets that are known exactly.

python benchmarks/posteriors.py    # about ten minutes of one core
"""

from __future__ import annotations

import math
import time
import warnings
from typing import Any

import torch
from table import write_table
from torch import Tensor

import diffeo
from diffeo.errors import DataWarning
from diffeo.inference import Posterior

SEEDS = list(range(10))
FUNNEL_SEEDS = [0, 1, 2]
LOG_2PI = math.log(2 * math.pi)
MODES, RADIUS, SD = 8, 4.0, 0.3
EVIDENCE, KHAT, RHAT, RATIO, SEEDS_NEEDED = 0.1, 0.7, 1.01, 0.05, 9
# a mode is found where it has at least this share of what it should have
FOUND = 0.25


def funnel(x: Tensor) -> Tensor:
    """Neal's funnel in 10 dimensions: v of sd 3, nine others of variance e^v; log Z = 0."""
    v, rest = x[:, 0], x[:, 1:]
    scale = -(v / 3).square() / 2 - math.log(3)
    return scale - ((-v).exp() * rest.square().sum(-1) + 9 * v) / 2 - 5 * LOG_2PI


def _centres() -> Tensor:
    angles = torch.arange(MODES) * (2 * math.pi / MODES)
    return RADIUS * torch.stack([angles.cos(), angles.sin()], -1)


def ring(x: Tensor) -> Tensor:
    """Eight normals of equal weight on a circle; log Z = 0."""
    away = (x.unsqueeze(1) - _centres().to(x)) / SD
    each = -away.square().sum(-1) / 2 - LOG_2PI - 2 * math.log(SD) - math.log(MODES)
    return torch.logsumexp(each, -1)


class Narrow:
    """A normal in 100 dimensions with condition number 1e4; log Z = 0."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        axes, _ = torch.linalg.qr(torch.randn((100, 100), generator=generator, dtype=torch.float64))
        variances = torch.logspace(0, 4, 100, dtype=torch.float64)
        self.to_axes = axes / variances.sqrt()
        self.mean = 5 * torch.randn(100, generator=generator, dtype=torch.float64)
        self.sd = (axes.square() @ variances).sqrt()
        self.constant = 50 * LOG_2PI + variances.log().sum() / 2

    def __call__(self, x: Tensor) -> Tensor:
        return -((x - self.mean) @ self.to_axes).square().sum(-1) / 2 - self.constant


def _fitted(log_prob: Any, dim: int, seed: int) -> Posterior:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        return diffeo.fit_posterior(
            log_prob, dim=dim, seed=seed, dtype=torch.float64, progress=False
        )


def _row(name: str, seed: int, post: Posterior, figure: str, reached: bool) -> list[Any]:
    quality = post.quality
    return [
        name,
        seed,
        figure,
        "yes" if reached else "no",
        f"{quality.elbo:.3f} ± {quality.elbo_error:.3f}",
        f"{quality.log_evidence:.3f} ± {quality.log_evidence_error:.3f}",
        f"{quality.khat:.2f}",
        f"{quality.ess / quality.draws:.3f}",
        "good" if quality.good else "flagged",
        f"{post.cost.gradients:,}",
        f"{post.cost.seconds:.0f}",
    ]


def _funnel_row(seed: int) -> list[Any]:
    post = _fitted(funnel, 10, seed)
    figure, mended = f"log Z {post.quality.log_evidence:+.3f}", post.quality.khat < KHAT
    if not mended:
        rhat = float(post.mcmc(seed=seed).chains.rhat.max())
        mended, figure = rhat < RHAT, f"{figure}, latent chains' R-hat {rhat:.3f}"
    right = abs(post.quality.log_evidence) <= EVIDENCE
    return _row("funnel, 10-d", seed, post, figure, right and mended)


def _ring_row(seed: int) -> list[Any]:
    post = _fitted(ring, 2, seed)
    draws = post.sample(10_000, seed=seed)["x"]
    nearest = (draws.unsqueeze(1) - _centres().to(draws)).norm(dim=-1).min(1)
    near = nearest.indices[nearest.values < 4 * SD]
    found = int((torch.bincount(near, minlength=MODES) >= FOUND * len(draws) / MODES).sum())
    return _row("ring of 8 normals", seed, post, f"{found} modes", found == MODES)


def _narrow_row(seed: int) -> list[Any]:
    target = Narrow()
    post = _fitted(target, 100, seed)
    ratios = post.sample(100_000, seed=seed)["x"].std(0) / target.sd
    low, high = float(ratios.min()), float(ratios.max())
    reached = low >= 1 - RATIO and high <= 1 + RATIO
    return _row("normal, 100-d", seed, post, f"sd ratios {low:.3f} to {high:.3f}", reached)


def main() -> None:
    torch.set_num_threads(1)
    start = time.perf_counter()
    rows = [_narrow_row(0), *map(_funnel_row, FUNNEL_SEEDS), *map(_ring_row, SEEDS)]
    whole = sum(row[3] == "yes" for row in rows if row[0].startswith("ring"))
    print(f"{time.perf_counter() - start:.0f} s in all")
    write_table(
        "posteriors",
        "fit_posterior, untuned, on targets known exactly",
        [
            "target",
            "seed",
            "figure",
            "reached",
            "ELBO",
            "log-evidence",
            "k-hat",
            "ESS share",
            "verdict",
            "gradients",
            "seconds",
        ],
        rows,
        notes=[
            "The log-evidence of each is 0.",
            f"Funnel: log-evidence within {EVIDENCE} and k-hat below {KHAT}, else R-hat of chains "
            f"in the latent space below {RHAT}. Normal, of condition number 1e4: every sd within "
            f"{RATIO:.0%}.",
            f"Ring (radius {RADIUS:g}, sd {SD}): all {MODES} modes, each with at least a quarter "
            f"of its share of 10,000 draws, uncorrected; in {whole} of {len(SEEDS)} seeds "
            f"({SEEDS_NEEDED} wanted).",
        ],
        seed=SEEDS,
    )


if __name__ == "__main__":
    main()
