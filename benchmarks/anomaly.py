"""Detecting anomalies in 26 tables of ADBench, beside detectors of PyOD: nothing is tuned.

python benchmarks/anomaly.py --seeds 0    # one seed of everything, a quarter of an hour on one core

Goes on where it stopped: cases that are done are in results/anomaly_runs.json.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Iterator

import numpy as np
import torch
from anomaly_data import ROWS, SETTINGS, SMALL, Case, load, names, split
from anomaly_table import write_tables
from pyod.models.base import BaseDetector
from pyod.models.ecod import ECOD
from pyod.models.iforest import IForest
from pyod.models.knn import KNN
from pyod.models.lof import LOF
from pyod.models.mcd import MCD
from runs import Runs
from sklearn.metrics import average_precision_score, roc_auc_score

from diffeo.adapters.pyod import FlowDetector

Detector = Callable[[Case], BaseDetector]


def flow_detector(case: Case) -> BaseDetector:
    """Defaults; rows that are known to be normal are not trimmed."""
    if case.setting == "one-class":
        return FlowDetector(trim=0.0, random_state=case.seed)
    return FlowDetector(random_state=case.seed)


# fifteen minutes of determinants of 1,555 columns did not end one fit
TOO_WIDE_FOR_MCD = ["InternetAds"]
METHODS: dict[str, Detector] = {
    "FlowDetector": flow_detector,
    "kNN": lambda _: KNN(),
    "Isolation Forest": lambda case: IForest(random_state=case.seed),
    "LOF": lambda _: LOF(),
    "MCD": lambda case: MCD(random_state=case.seed),
    "ECOD": lambda _: ECOD(),
}


def run(case: Case, make: Detector) -> dict[str, float]:
    """AUC-ROC and average precision of a detector, and its CPU seconds to fit and to score."""
    train, test, y = split(case)
    torch.manual_seed(case.seed)
    np.random.seed(case.seed)
    began = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyOD's own, on singular covariances and equal rows
        detector = make(case).fit(train)
        fitted = time.process_time()
        scores = detector.decision_function(test)
    scores = np.nan_to_num(scores, posinf=np.finfo(np.float64).max)
    return {
        "auc": float(roc_auc_score(y, scores)),
        "ap": float(average_precision_score(y, scores)),
        "fit": fitted - began,
        "score": time.process_time() - fitted,
    }


def cases(seeds: list[int], sets: list[str]) -> Iterator[Case]:
    """Seed by seed; small sets with and without the duplication of their rows."""
    for seed in seeds:
        for name in sets:
            kinds = [True, False] if len(load(name)[1]) < SMALL else [True]
            for setting in SETTINGS:
                for duplicated in kinds:
                    yield Case(name, setting, duplicated, seed)


def main() -> None:
    """Run what is missing, and write the table of what is there."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--sets", nargs="+", choices=names(), default=names(), metavar="SET")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    runs = Runs("anomaly", {"rows": ROWS, "small": SMALL, "metrics": ["auc", "ap"]})
    for case in cases(arguments.seeds, arguments.sets):
        for method in arguments.methods:
            key = f"{case.key} | {method}"
            if key not in runs and not (method == "MCD" and case.name in TOO_WIDE_FOR_MCD):
                runs.add(key, run(case, METHODS[method]))
                print(key, runs.found[key], flush=True)
    write_tables(
        lambda case, method: runs.found.get(f"{case.key} | {method}"),
        list(METHODS),
        names(),
        arguments.seeds,
    )


if __name__ == "__main__":
    main()
