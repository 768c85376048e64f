"""NSF on eight 2-D toy densities: how far above the exact entropy its test loss ends.

python benchmarks/toy.py                # all eight, about half an hour on 2 cores
python benchmarks/toy.py rings moons    # some, printed only
"""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor

import torch
from table import write_table
from toy_densities import TOYS
from toy_fit import ENTROPY, Gap, fit_and_compare

import diffeo

SEED = 0
TRAIN, TEST = 100_000, 100_000
MODEL = {"autoregressive": True, "bins": 16}
FIT = {"epochs": 40, "patience": None, "batch_size": 512, "lr": 3e-3, "validation": 0.05}
TARGETS = dict.fromkeys(TOYS, 0.03) | {"checkerboard": 0.08, "2spirals": 0.08}


def run(name: str) -> tuple[str, Gap]:
    """Fit one toy density."""
    torch.set_num_threads(1)
    flow = diffeo.NSF(features=2, seed=SEED, **MODEL)
    return name, fit_and_compare(flow, TOYS[name], train=TRAIN, test=TEST, seed=SEED, **FIT)


def _row(name: str, gap: Gap) -> list[str]:
    return [
        name,
        "{:.4f} ± {:.4f}".format(*gap.entropy),
        "{:.4f} ± {:.4f}".format(*gap.test_nll),
        f"{gap.above:+.4f}",
        "{:+.4f} ± {:.4f}".format(*gap.paired),
        f"{TARGETS[name]:.2f}",
        "yes" if gap.above <= TARGETS[name] else "no",
        str(gap.parameters),
        f"{gap.seconds:.0f}",
    ]


def main() -> None:
    names = sys.argv[1:] or list(TOYS)
    rows = []
    with ProcessPoolExecutor(max_workers=2) as pool:
        for result in pool.map(run, names):
            rows.append(_row(*result))
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
                "CPU seconds",
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
