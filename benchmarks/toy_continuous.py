"""Continuous and residual flows on eight 2-D toy densities: nats above the floor, seconds, calls.

python benchmarks/toy_continuous.py                    # what is missing in the table
python benchmarks/toy_continuous.py CNF                # the missing rows of some models
"""

from __future__ import annotations

import dataclasses
import sys
from typing import Any

import torch
from runs import Runs
from table import write_table
from toy_densities import TOYS
from toy_fit import ENTROPY, draw, fit_and_compare

from diffeo.models import model_class
from diffeo.models.continuous import FieldFlow

SEED = 0
TRAIN, TEST, SOLVED = 100_000, 20_000, 2_000
TARGETS = dict.fromkeys(("moons", "8gaussians", "circles"), 0.10)
# what a model is built and fitted with
CONTESTANTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "CNF": (
        # without regularisers it learns to profit from so few steps
        {"steps": 8, "kinetic": 0.01, "jacobian": 0.01},
        {"epochs": 10, "patience": None, "batch_size": 1024, "lr": 1e-2, "validation": 0.02},
    ),
    "FlowMatching": (
        {"hidden": (128, 128, 128)},
        {"epochs": 80, "patience": None, "batch_size": 512, "lr": 5e-3, "validation": 0.02},
    ),
    "ResidualFlow": (
        {},
        {"epochs": 8, "patience": None, "batch_size": 512, "lr": 3e-3, "validation": 0.02},
    ),
}
PROTOCOL = {"train": TRAIN, "test": TEST, "seed": SEED, "entropy": ENTROPY}


def run(model: str, density: str) -> dict[str, Any]:
    """Fit one model to one density."""
    options, fit = CONTESTANTS[model]
    flow = model_class(model)(2, seed=SEED, **options)
    gap = fit_and_compare(flow, TOYS[density], train=TRAIN, test=TEST, seed=SEED, **fit)
    solves = {}
    if isinstance(flow, FieldFlow):
        solves = _solves(flow, draw(TOYS[density], SOLVED, SEED + 2))
    return {**dataclasses.asdict(gap), **solves}


@torch.no_grad()
def _solves(flow: FieldFlow, x: torch.Tensor) -> dict[str, Any]:
    """Evaluations of a density, and how far it is off from one of four times the steps."""
    layer, points = flow.continuous, x.float()
    log_prob = flow.log_prob(points)
    evaluations = layer.evaluations
    layer.steps *= 4
    error = (flow.log_prob(points) - log_prob).abs().mean()
    return {"evaluations": evaluations, "solver_error": float(error)}


def _row(model: str, density: str, result: dict[str, Any]) -> list[Any]:
    gap, error = result["paired"]
    target = TARGETS.get(density)
    return [
        model,
        density,
        f"{gap:+.4f} ± {error:.4f}",
        None if target is None else f"{target:.2f}",
        None if target is None else ("yes" if gap <= target else "no"),
        str(result["parameters"]),
        f"{result['seconds']:.0f}",
        str(result["evaluations"]) if "evaluations" in result else None,
        f"{result['solver_error']:.1e}" if "solver_error" in result else None,
    ]


def main() -> None:
    torch.set_num_threads(1)
    runs = {
        name: Runs(f"toy_continuous_{name.lower()}", {**PROTOCOL, "contestant": contestant})
        for name, contestant in CONTESTANTS.items()
    }
    for model in sys.argv[1:] or CONTESTANTS:
        for density in TOYS:
            if density not in runs[model]:
                runs[model].add(density, run(model, density))
                print(*_row(model, density, runs[model].found[density]), sep=" | ", flush=True)
    found = [(m, d, r) for m in CONTESTANTS for d, r in runs[m].found.items()]
    write_table(
        "toy_continuous",
        "Continuous and residual flows on 2-D toy densities",
        [
            "model",
            "density",
            "nats above the truth on the same points",
            "target",
            "reached",
            "parameters",
            "CPU seconds of the fit",
            "evaluations of the velocity a density",
            "error of the solver (nats)",
        ],
        [_row(*each) for each in found],
        notes=[
            *(
                f"`diffeo.{name}(features=2)` with {options}, fitted with {fit}."
                for name, (options, fit) in CONTESTANTS.items()
            ),
            f"{TRAIN} training and {TEST} test points; a figure is the mean of log p - log q over "
            f"the test points, p the exact density.",
            f"The solver's error is the mean of |log q - log q with four times the steps| over "
            f"{SOLVED} of them.",
            "An evaluation with its divergence costs about three passes of the network here.",
        ],
        seed=SEED,
    )


if __name__ == "__main__":
    main()
