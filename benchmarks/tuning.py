"""How much a search gains over the defaults on five tables: the defaults should be good enough.

python benchmarks/tuning.py    # hours; trials and finished tables are kept
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from density_data import split
from runs import Runs
from table import write_table

from diffeo.inference.search import Trial
from diffeo.tabular import tune

TABLES = ("bostonHousing", "energy", "concrete", "skillcraft", "power-plant")
SEED = 0
TARGET, WANTED = 0.1, 4
# trials of an interrupted table; not a result
STUDY = Path(__file__).with_name("tuning.study.db")


def gain(name: str, trials: int) -> dict[str, Any]:
    """What a search finds on the rows that the first fold trains on."""
    rows, _ = split(name, 0)
    frame = pd.DataFrame(rows, columns=[f"x{i}" for i in range(rows.shape[1])])
    found = tune(frame, trials=trials, seed=SEED, study=STUDY, done=_say)
    stopped = sum(trial.value is None for trial in found.trials)
    return {
        "rows": len(rows),
        "columns": rows.shape[1],
        "gain": found.gain,
        "gain_error": found.gain_error,
        "log_likelihood": found.log_likelihood,
        "tested": found.rows,
        "setting": found.setting,
        "stopped": stopped,
        "seconds": sum(trial.seconds for trial in found.trials),
    }


def _say(trial: Trial) -> None:
    print(trial.number + 1, trial.value, trial.values, f"{trial.seconds:.0f} s", flush=True)


def main() -> None:
    """Run what is missing and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", nargs="*", default=TABLES, choices=TABLES)
    parser.add_argument("--trials", type=int, default=20)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    runs = Runs("tuning", {"trials": arguments.trials, "seed": SEED})
    for name in arguments.tables:
        if name not in runs:
            runs.add(name, gain(name, arguments.trials))
    _write(runs, arguments.trials)


def _write(runs: Runs, trials: int) -> None:
    found = {name: runs.found[name] for name in TABLES if name in runs}
    rows = [
        [
            name,
            run["rows"],
            run["columns"],
            f"{run['gain']:+.3f} ± {run['gain_error']:.3f}",
            f"{run['log_likelihood']:.3f}",
            ", ".join(f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}"
                      for k, v in run["setting"].items()),
            run["stopped"],
            f"{run['seconds']:.0f}",
        ]
        for name, run in found.items()
    ]  # fmt: skip
    small = sum(run["gain"] < TARGET for run in found.values())
    write_table(
        "tuning",
        "What a search gains over the defaults",
        ["table", "rows", "columns", "gain", "log-likelihood", "best", "stopped", "seconds"],
        rows,
        notes=[
            f"The gain is below {TARGET} nats a row on {small} of {len(found)} tables that are "
            f"measured; wanted are {WANTED} of {len(TABLES)}.",
            f"{trials} trials over continuous, nsf, maf and table, their width, layers, learning "
            "rate and batch size. The gain is that of the trial with the best held-out likelihood "
            "over the default (the first trial), in nats a row with its standard error, on a fifth "
            "of the rows that no trial has seen; the log-likelihood is that of the best there.",
            "Rows: those on which the first fold of the density benchmark trains, with its noise "
            "on rounded columns. Seconds: of all trials together, one thread of a shared machine.",
        ],
        seed=SEED,
        packages=["optuna"],
    )


if __name__ == "__main__":
    main()
