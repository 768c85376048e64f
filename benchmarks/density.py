"""Joint density of 14 UCI tables: FlowDensity's defaults beside other estimators.

python benchmarks/density.py                        # hours on one core
python benchmarks/density.py --tables energy --folds 0 1

Goes on where it stopped: runs that are done are in results/density_runs.json. zuko and nflows run
where they are installed; where not, their cells stay as they are.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import asdict
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from density_contestants import CONTESTANTS, MIXED, OURS, SEED, Outcome, installed, mixed
from density_data import TABLES, split, split_as_recorded
from runs import Runs
from table import write_table

FOLDS = range(5)
PROTOCOL = {"seed": SEED, "folds": "published, first 5", "noise seed": 0}


def _key(table: str, fold: int, contestant: str) -> str:
    return f"{table}, fold {fold}, {contestant}"


def run(runs: Runs, table: str, fold: int, contestant: str) -> None:
    """One fit, unless it is done."""
    key = _key(table, fold, contestant)
    if key in runs or not installed(contestant):
        return
    train, test = (split_as_recorded if contestant == MIXED else split)(table, fold)
    if contestant == MIXED:
        outcome = mixed(train, test)
    else:
        ours = runs.found.get(_key(table, fold, OURS))
        budget = None if ours is None else Outcome(**ours["outcome"])
        outcome = CONTESTANTS[contestant](train, test, budget)
    runs.add(key, {"rows": len(train), "columns": train.shape[1], "outcome": asdict(outcome)})
    print(f"{key}: {outcome.score:.3f} ({outcome.seconds:.1f} s) {outcome.detail}", flush=True)


def _outcomes(found: dict[str, Any], table: str, contestant: str) -> list[Outcome]:
    keys = [_key(table, fold, contestant) for fold in FOLDS]
    return [Outcome(**found[key]["outcome"]) for key in keys if key in found]


def _row(found: dict[str, Any], table: str) -> tuple[list[Any], int | None]:
    """Cells of a table, and the rank of FlowDensity where all are measured."""
    outcomes = {name: _outcomes(found, table, name) for name in CONTESTANTS}
    size = next(found[key] for key in found if key.startswith(f"{table}, "))
    folds = min(len(each) for each in outcomes.values())
    # compared on the folds that all have
    means = {
        name: np.mean([o.score for o in each[: folds or len(each)]]) if each else -np.inf
        for name, each in outcomes.items()
    }
    rank = 1 + sum(mean > means[OURS] for mean in means.values())
    cells = [_cell(each, means[name] == max(means.values())) for name, each in outcomes.items()]
    seconds = [
        float(np.mean([o.seconds for o in each])) if each else None for each in outcomes.values()
    ]
    cells += [None if not outcomes[OURS] else f"{rank}" if folds else f"({rank})"]
    cells.append(_cell(_outcomes(found, table, MIXED), best=False))
    return [table, size["rows"], size["columns"], folds, *cells, *seconds], rank if folds else None


def _cell(outcomes: list[Outcome], best: bool) -> str:
    if not outcomes:
        return "not measured"
    scores = [o.score for o in outcomes]
    text = f"{np.mean(scores):.2f}"
    if len(scores) > 1:
        text += f" ± {np.std(scores, ddof=1):.2f}"
    return f"**{text}**" if best else text


def write(found: dict[str, Any]) -> None:
    """The table of all runs so far."""
    tables = [t for t in TABLES if any(key.startswith(f"{t}, ") for key in found)]
    rows, ranks = zip(*(_row(found, table) for table in tables), strict=True)
    known = [rank for rank in ranks if rank is not None]
    write_table(
        "density",
        "Joint density of 14 UCI tables: mean test log-likelihood",
        [
            "table",
            "rows",
            "columns",
            "folds",
            *CONTESTANTS,
            "rank of FlowDensity",
            f"{MIXED}, mixed measure",
            *(f"{name}, CPU s" for name in CONTESTANTS),
        ],
        rows,
        notes=[
            f"FlowDensity is first on {sum(r == 1 for r in known)} of {len(known)} tables on which "
            f"all contestants are measured.",
            "Nats a row, mean ± standard deviation over folds; the larger the better, the best in "
            "bold. The rank compares means over the folds that every contestant has (column "
            "folds); in parentheses where some contestant is not measured at all.",
            "Density with respect to Lebesgue measure in the columns' own units. Targets are "
            "columns like others. Constant columns and exact functions of the columns before "
            "(linear, or looked up in one of few values) are dropped; every tied column gets one "
            "fixed uniform noise of its resolution, in training and test rows alike, the same for "
            "all. Folds: the first 5 published.",
            "FlowDensity: its defaults, on the columns as they are. All others get them "
            "standardised.",
            "GaussianMixture: full covariances, 1 to 50 components by BIC. KernelDensity: "
            "bandwidth by 3-fold cross-validation on 3000 rows, of 14 between 0.02 and 2.",
            "zuko: NSF(features), its defaults. nflows: 5 masked autoregressive rational-quadratic "
            "layers, as many as in its examples, with the class's defaults (10 bins, 2 residual "
            "blocks), 64 hidden units, linear tails beyond 5. Both: Adam, learning rate 0.001, "
            "batches of 256, clipping at 5, a held-out tenth that chooses the weights; they stop "
            "where they took as many steps or as many seconds as all members of FlowDensity "
            "together.",
            f"{MIXED}: its defaults on the columns as they were recorded, without noise; where "
            "values repeat, its measure counts, so that its likelihood is not one of the others' "
            "kind. A figure without ± is that of the first fold.",
            "CPU seconds of one thread, choice of components and bandwidth included; KernelDensity "
            "with its scores, which are its cost.",
        ],
        seed=SEED,
        packages=["numpy", "scikit-learn", "zuko", "nflows"],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", nargs="+", default=list(TABLES), choices=TABLES)
    parser.add_argument("--folds", nargs="+", type=int, default=list(FOLDS), choices=FOLDS)
    everyone = [*CONTESTANTS, MIXED]
    parser.add_argument("--contestants", nargs="+", default=list(CONTESTANTS), choices=everyone)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    runs = Runs("density", PROTOCOL)
    for fold in chosen.folds:
        for table in chosen.tables:
            for contestant in chosen.contestants:
                run(runs, table, fold, contestant)
    write(runs.found)


if __name__ == "__main__":
    main()
