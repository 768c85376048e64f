"""Every model on nine toy densities: nats above the exact entropy, parameters, seconds.

python benchmarks/models.py               # all, about half an hour on 2 cores
python benchmarks/models.py naf bnaf      # some, in place of their rows in the table
"""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import torch
from table import RESULTS, write_table
from toy_densities import BIMODAL, TOYS
from toy_fit import Gap, fit_and_compare

from diffeo.models import model_class

SEED = 0
TRAIN, TEST = 40_000, 20_000
FIT = {"epochs": 15, "patience": None, "batch_size": 512, "lr": 3e-3, "validation": 0.05}
# models whose weights are the map itself, not a network's that predicts it, take longer steps
LONG_STEP = 2e-2
LONG_STEPS = ["bnaf", "gaussianization", "planarflow", "radialflow", "sylvesterflow"]
DENSITIES = {"bimodal (1-D)": BIMODAL} | TOYS
TARGETS = {"bimodal (1-D)": 0.1, "moons": 0.1}

# those that can take any shape; the others can not, or only in the limit of many layers
UNIVERSAL = ["nsf", "naf", "unaf", "bnaf", "sosflow", "bernsteinflow", "gaussianization"]
OTHERS = ["nice", "realnvp", "maf", "iaf", "planarflow", "radialflow", "sylvesterflow"]


def run(case: tuple[str, str]) -> Gap:
    """Fit one model, at its default size, to one density."""
    model, density = case
    torch.set_num_threads(1)
    toy = DENSITIES[density]
    flow = model_class(model)(1 if toy is BIMODAL else 2, seed=SEED)
    options = FIT | ({"lr": LONG_STEP} if model in LONG_STEPS else {})
    return fit_and_compare(flow, toy, train=TRAIN, test=TEST, seed=SEED, **options)


def _verdict(model: str, gaps: dict[str, Gap]) -> str:
    if model not in UNIVERSAL:
        return "-"
    missed = [name for name, target in TARGETS.items() if gaps[name].paired[0] > target]
    return f"missed: {', '.join(missed)}" if missed else "yes"


def _row(model: str, gaps: dict[str, Gap]) -> list[Any]:
    plane = [gaps[name] for name in TOYS]
    return [
        model_class(model).__name__,
        *(f"{gap.paired[0]:+.3f}" for gap in gaps.values()),
        _verdict(model, gaps),
        str(plane[0].parameters),
        f"{sum(gap.seconds for gap in plane) / len(plane):.0f}",
        f"{max(gap.paired[1] for gap in gaps.values()):.3f}",
    ]


def _fitted(models: list[str]) -> list[list[Any]]:
    """The rows of the table, in the order of ``models``."""
    cases = [(model, density) for model in models for density in DENSITIES]
    rows, gaps = [], {}
    with ProcessPoolExecutor(max_workers=2) as pool:
        for (model, density), gap in zip(cases, pool.map(run, cases), strict=True):
            gaps[density] = gap
            if len(gaps) == len(DENSITIES):
                rows.append(_row(model, gaps))
                print(*rows[-1], sep=" | ", flush=True)
                gaps = {}
    return rows


def _others(fitted: list[list[Any]]) -> list[list[Any]]:
    """The rows of models that were not fitted now, as the table has them."""
    rows = json.loads((RESULTS / "models.json").read_text("utf-8"))["rows"]
    return [row for row in rows if row[0] not in {row[0] for row in fitted}]


def main() -> None:
    start = time.perf_counter()
    rows = _fitted(sys.argv[1:] or UNIVERSAL + OTHERS)
    print(f"{time.perf_counter() - start:.0f} s in all")
    if sys.argv[1:]:
        rows += _others(rows)
    order = [model_class(name).__name__ for name in UNIVERSAL + OTHERS]
    rows.sort(key=lambda row: order.index(row[0]))
    columns = ["model", *DENSITIES, "universal and within 0.1 of bimodal and moons"]
    write_table(
        "models",
        "Every model on toy densities: nats above the truth",
        [*columns, "parameters (2-D)", "CPU seconds a fit", "largest standard error"],
        rows,
        notes=[
            f"Each model at its default size, fitted with {FIT} on {TRAIN} points; "
            f"lr {LONG_STEP} for {', '.join(LONG_STEPS)}.",
            f"A figure is the mean of log p - log q over {TEST} test points, p the exact density.",
            "In one dimension affine models are only their base, scaled.",
            "PlanarFlow, RadialFlow and SylvesterFlow are made for variational inference; "
            "here they are fitted by maximum likelihood too. `reverse_kl` has the other way.",
        ],
        seed=SEED,
    )


if __name__ == "__main__":
    main()
