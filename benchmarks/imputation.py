"""Missing cells of tables filled by TableFlow and by scikit-learn's imputers.

python benchmarks/imputation.py    # about ten minutes of one core; finished runs are kept
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from data import data_folder
from runs import Runs
from table import write_table

import diffeo

# the four smallest tables of at most 30 columns
TABLES = ["skillcraft", "sml", "parkinsons", "pol"]
SHARE = 0.2
DRAWS = 50
POSTERIOR_DRAWS = 10
SEED = 0
METHODS = ["TableFlow", "IterativeImputer", "IterativeImputer, posterior draws", "KNNImputer"]

Array = np.ndarray[Any, Any]


def load(name: str) -> tuple[Array, Array]:
    """The table, its constant columns left out, standardised; and which cells are removed."""
    with np.load(data_folder("uci_gp") / f"{name}.npz", allow_pickle=False) as file:
        x = file["x"].astype(np.float64)
    x = x[:, x.std(0) > 0]
    x = (x - x.mean(0)) / x.std(0)
    removed = np.random.default_rng(SEED).random(x.shape) < SHARE
    return x, removed


def by_table_flow(holed: Array) -> Array:
    """Draws (draws, rows, columns) of a fit to the table with its holes."""
    flow = diffeo.TableFlow(seed=SEED).fit(holed, seed=SEED, progress=False)
    return np.stack([frame.to_numpy(np.float64) for frame in flow.impute(holed, DRAWS, seed=SEED)])


def by_regressions(holed: Array) -> Array:
    """One value for each cell."""
    return _iterative().fit_transform(holed)[None]


def by_regression_draws(holed: Array) -> Array:
    """Draws from the posterior predictive distributions of the regressions."""
    return np.stack(
        [
            _iterative(sample_posterior=True, random_state=k).fit_transform(holed)
            for k in range(POSTERIOR_DRAWS)
        ]
    )


def _iterative(**options: Any) -> Any:
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer

    return IterativeImputer(**{"random_state": SEED, **options})


def by_neighbours(holed: Array) -> Array:
    """One value for each cell."""
    from sklearn.impute import KNNImputer

    return KNNImputer().fit_transform(holed)[None]


FILL: dict[str, Callable[[Array], Array]] = dict(
    zip(METHODS, [by_table_flow, by_regressions, by_regression_draws, by_neighbours], strict=True)
)


def errors(draws: Array, x: Array, removed: Array) -> dict[str, float]:
    """RMSE of the draws' mean and their CRPS over the removed cells, in standard deviations."""
    truth, drawn = x[removed], draws[:, removed]
    rmse = float(np.sqrt(np.mean((drawn.mean(0) - truth) ** 2)))
    away = np.abs(drawn - truth).mean(0)
    count = len(drawn)
    # the mean distance of two different draws, from their order
    ranks = 2 * np.arange(1, count + 1) - count - 1
    pairs = count * (count - 1) / 2
    apart = (ranks[:, None] * np.sort(drawn, 0)).sum(0) / pairs if count > 1 else 0.0
    return {"rmse": rmse, "crps": float(np.mean(away - apart / 2))}


def main() -> None:
    """Run what is missing and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", nargs="*", default=TABLES)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    runs = Runs("imputation", {"share": SHARE, "draws": DRAWS, "seed": SEED})
    for name in arguments.tables:
        x, removed = load(name)
        holed = np.where(removed, np.nan, x)
        for method in METHODS:
            if f"{name} {method}" in runs:
                continue
            start = time.process_time()
            draws = FILL[method](holed)
            seconds = time.process_time() - start
            runs.add(f"{name} {method}", {**errors(draws, x, removed), "seconds": seconds})
    _write(runs)


def _write(runs: Runs) -> None:
    rows = []
    for name in TABLES:
        if any(f"{name} {method}" not in runs for method in METHODS):
            continue
        found = [runs.found[f"{name} {method}"] for method in METHODS]
        for kind in ("rmse", "crps"):
            values = [run[kind] for run in found]
            best = "yes" if values[0] < min(values[1:]) else "NO"
            rows.append([name, kind.upper(), *(f"{value:.4f}" for value in values), best])
        rows.append([name, "CPU s", *(f"{run['seconds']:.0f}" for run in found), ""])
    write_table(
        "imputation",
        "Missing cells: 20 % removed at random",
        ["table", "", *METHODS, "TableFlow best"],
        rows,
        notes=[
            "Errors over the removed cells, in standard deviations of their columns. Each method "
            "sees the table with its holes and fills them; nothing else is held out.",
            f"RMSE is that of the mean of {DRAWS} imputations (TableFlow) or {POSTERIOR_DRAWS} "
            "posterior draws, CRPS is estimated from them without bias; where a method gives one "
            "value, its CRPS is the absolute error.",
            "The tables are the four smallest of uci_gp with at most 30 columns. All methods with "
            "their defaults.",
        ],
        seed=SEED,
        packages=["scikit-learn"],
    )


if __name__ == "__main__":
    main()
