"""Means over sets and over finished seeds, and one row a set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from anomaly_data import SETTINGS, SMALL, Case, load
from table import write_table

__all__ = ["write_tables"]

Find = Callable[[Case, str], dict[str, float] | None]

NOTES = [
    "Protocol of DTE (Livernoche, Jain, Hezaveh, Ravanbakhsh, 2023, arXiv:2305.18593), on sets of "
    "ADBench (Han, Hu, Huang, Jiang, Zhao, 2022, arXiv:2206.09426). One-class: the first half of "
    "the normal rows, in the order of the file, to fit; the others and all anomalies to test. "
    "Contaminated: a bootstrap of all rows to fit, all rows to test. At most 50,000 rows; columns "
    "standardised by the rows to fit.",
    "Sets of fewer than 1,000 rows are bootstrapped to 1,000 before they are split, so that equal "
    "rows are fitted and tested: 'duplicated'. Not duplicated: their rows in a random order, once "
    "each, as the seed has it.",
    "Nothing is tuned to a set. FlowDetector has its defaults; in the one-class setting trim=0, as "
    "the rows to fit are known to be normal. The defaults were chosen by the mean AUC-ROC on these "
    "sets, on subsets with seed 100, and the number of steps also with seed 0: an advantage over "
    "PyOD's detectors, which have their own defaults.",
    "MCD did not end one fit of the 1,555 columns of InternetAds in fifteen minutes.",
    "Published by DTE, mean AUC-ROC of 43 sets, 5 seeds. One-class: DTE-NP 0.8465, kNN 0.8426, LOF "
    "0.8111, Isolation Forest 0.7921, MCD 0.7706, PlanarFlow 0.7664. Contaminated: MCD 0.7728, "
    "Isolation Forest 0.7668, kNN 0.7420, PlanarFlow 0.7215 (whose score leaves out the base "
    "density).",
]


def write_tables(find: Find, methods: Sequence[str], sets: Sequence[str], seeds: list[int]) -> None:
    """Write anomaly.md and anomaly_sets.md from what ``find`` finds.

    Args:
        find: the result of a case and a method; None where there is none.
        methods: columns.
        sets: rows of the second table.
        seeds: that may be there.
    """
    small = [name for name in sets if len(load(name)[1]) < SMALL]
    narrow = [name for name in sets if name != "InternetAds"]
    rest = [name for name in methods if name != "MCD"]
    rows = []
    for setting in SETTINGS:
        for what, chosen, those, duplicated in (
            ("all sets", sets, rest, True),
            ("all but InternetAds", narrow, methods, True),
            ("all but InternetAds, not duplicated", narrow, methods, False),
            ("small sets", small, methods, True),
            ("small sets, not duplicated", small, methods, False),
        ):
            each = [_of_set(find, n, setting, duplicated, those, seeds) for n in chosen]
            done = [found for found in each if found is not None]
            if done:
                cells = [_mean_cell(done, those, m) for m in methods]
                rows.append([setting, what, len(done), _seeds(done), *cells])
    write_table(
        "anomaly",
        "Detecting anomalies: mean AUC-ROC / mean average precision",
        ["setting", "of", "sets", "seeds", *methods],
        rows,
        notes=NOTES,
        seed=seeds,
        packages=["pyod", "scikit-learn", "numpy"],
    )
    _write_sets(find, methods, sets, seeds)


def _write_sets(find: Find, methods: Sequence[str], sets: Sequence[str], seeds: list[int]) -> None:
    rows = []
    for setting in SETTINGS:
        for name in sets:
            x, y = load(name)
            those = [m for m in methods if m != "MCD" or name != "InternetAds"]
            found = _of_set(find, name, setting, True, those, seeds)
            if found is None:
                continue
            values = [found[m] if m in those else None for m in methods]
            cells = ["-" if v is None else f"{v['auc']:.3f} / {v['ap']:.3f}" for v in values]
            cost = found["FlowDetector"]
            times = f"{cost['fit']:.1f} + {cost['score']:.1f}"
            size = f"{len(x)} x {x.shape[1]}"
            rows.append([setting, name, size, f"{y.mean():.1%}", _seeds([found]), *cells, times])
    write_table(
        "anomaly_sets",
        "Detecting anomalies: AUC-ROC / average precision of each set",
        [
            "setting",
            "set",
            "size",
            "anomalies",
            "seeds",
            *methods,
            "FlowDetector fit + score, CPU s",
        ],
        rows,
        notes=NOTES[:4],
        seed=seeds,
        packages=["pyod", "scikit-learn", "numpy"],
    )


def _of_set(
    find: Find,
    name: str,
    setting: str,
    duplicated: bool,
    methods: Sequence[str],
    seeds: Sequence[int],
) -> dict[str, Any] | None:
    """Each method's means over the seeds that all methods have finished; None without any."""
    # only small sets are ever run without duplication: the others are the same either way
    kind = duplicated or len(load(name)[1]) >= SMALL
    runs = [[find(Case(name, setting, kind, seed), m) for m in methods] for seed in seeds]
    complete = [run for run in runs if all(run)]
    if not complete:
        return None
    means: dict[str, Any] = {
        method: {key: float(np.mean([run[i][key] for run in complete])) for key in complete[0][i]}  # type: ignore[index,union-attr]
        for i, method in enumerate(methods)
    }
    return {**means, "seeds": len(complete)}


def _mean_cell(done: list[dict[str, Any]], those: Sequence[str], method: str) -> str:
    if method not in those:
        return "-"
    return " / ".join(
        f"{np.mean([found[method][key] for found in done]):.4f}" for key in ("auc", "ap")
    )


def _seeds(done: list[dict[str, Any]]) -> str:
    counts = {found["seeds"] for found in done}
    return str(min(counts)) if len(counts) == 1 else f"{min(counts)}-{max(counts)}"
