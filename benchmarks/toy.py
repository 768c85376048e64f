"""NSF on eight 2-D toy densities: how far above the exact entropy its test loss ends.

python benchmarks/toy.py                # all eight, about half an hour on 2 cores
python benchmarks/toy.py rings moons    # some, printed only
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import torch
from table import write_table
from toy_densities import TOYS

import diffeo

SEED = 0
TRAIN, TEST, ENTROPY = 100_000, 100_000, 200_000
MODEL = {"autoregressive": True, "bins": 16}
FIT = {"epochs": 40, "patience": None, "batch_size": 512, "lr": 3e-3, "validation": 0.05}
TARGETS = dict.fromkeys(TOYS, 0.03) | {"checkerboard": 0.08, "2spirals": 0.08}


def _draw(name: str, n: int, seed: int) -> torch.Tensor:
    return TOYS[name].sample(n, torch.Generator().manual_seed(seed))


def _standard_error(x: torch.Tensor) -> float:
    return float(x.std() / len(x) ** 0.5)


def run(name: str) -> dict[str, Any]:
    """Fit one toy density and compare with the truth, point by point."""
    torch.set_num_threads(1)
    start = time.perf_counter()
    flow = diffeo.NSF(features=2, seed=SEED, **MODEL)
    flow.fit(_draw(name, TRAIN, SEED + 1), seed=SEED, progress=False, **FIT)
    seconds = time.perf_counter() - start
    test = _draw(name, TEST, SEED + 2)
    with torch.no_grad():
        log_prob = torch.cat([flow.log_prob(rows) for rows in test.float().split(10_000)]).double()
    fresh = TOYS[name].log_prob(_draw(name, ENTROPY, SEED + 3))
    return {
        "density": name,
        "entropy": -float(fresh.mean()),
        "entropy_se": _standard_error(fresh),
        "test_nll": -float(log_prob.mean()),
        "test_nll_se": _standard_error(log_prob),
        "gap": float(fresh.mean() - log_prob.mean()),
        "paired": _paired_gap(name, test, log_prob),
        "seconds": seconds,
        "parameters": sum(p.numel() for p in flow.parameters()),
    }


def _paired_gap(name: str, test: torch.Tensor, log_prob: torch.Tensor) -> tuple[float, float]:
    """Mean and standard error of log p - log q on the test points: what the fit itself loses."""
    gap = TOYS[name].log_prob(test) - log_prob
    return float(gap.mean()), _standard_error(gap)


def _row(result: dict[str, Any]) -> list[str]:
    target = TARGETS[result["density"]]
    gap = result["gap"]
    return [
        result["density"],
        f"{result['entropy']:.4f} ± {result['entropy_se']:.4f}",
        f"{result['test_nll']:.4f} ± {result['test_nll_se']:.4f}",
        f"{gap:+.4f}",
        f"{result['paired'][0]:+.4f} ± {result['paired'][1]:.4f}",
        f"{target:.2f}",
        "yes" if gap <= target else "no",
        str(result["parameters"]),
        f"{result['seconds']:.0f}",
    ]


def main() -> None:
    names = sys.argv[1:] or list(TOYS)
    rows = []
    with ProcessPoolExecutor(max_workers=2) as pool:
        for result in pool.map(run, names):
            rows.append(_row(result))
            print(*rows[-1], sep=" | ", flush=True)
    if names == list(TOYS):
        write_table(
            "toy",
            "NSF on 2-D toy densities",
            [
                "density",
                "exact entropy (nats)",
                "test NLL (nats)",
                "above entropy",
                "above the truth on the same points",
                "target",
                "reached",
                "parameters",
                "seconds (1 thread)",
            ],
            rows,
            notes=[
                f"`diffeo.NSF(features=2)` with {MODEL}, otherwise its defaults; fit with {FIT}.",
                f"{TRAIN} training and {TEST} test points.",
                f"The exact entropy is the mean of the true -log p over {ENTROPY} fresh points.",
            ],
            seed=SEED,
            packages=["torch"],
        )


if __name__ == "__main__":
    main()
