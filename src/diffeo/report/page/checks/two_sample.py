"""The classifier two-sample test: can a classifier tell samples from data?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from diffeo.errors import import_extra
from diffeo.report.page.content import Array

__all__ = ["TwoSample", "classifier_two_sample_test"]

FOLDS = 5
MOST_ROWS = 5000
# what scikit-learn's histogram trees take
MOST_CODES = 255


@dataclass(frozen=True)
class TwoSample:
    """How well a classifier told two tables apart.

    Attributes:
        accuracy: share of the rows put on the right side; 0.5 where the tables are alike.
        error: its standard error.
        rows: of each table that took part.
        importance: (columns,), the loss of accuracy when a column is shuffled.
    """

    accuracy: float
    error: float
    rows: int
    importance: Array


def classifier_two_sample_test(
    first: Array, second: Array, discrete: Array, *, seed: int, most: int = MOST_ROWS
) -> TwoSample:
    r"""Cross-validated accuracy of gradient-boosted trees on "which table is this row from?".

    With n rows of each table, every row judged by trees that did not see it, the accuracy of
    indistinguishable tables is 1/2 and its standard error $\sqrt{a (1 - a) / 2n}$.

    Args:
        first: (rows, columns), NaN for holes.
        second: (other rows, columns).
        discrete: (columns,), where the numbers are codes of labels.
        seed: of the subsample, the folds and the shuffles.
        most: rows of each that take part.

    Raises:
        MissingExtraError: scikit-learn is not installed.

    Reference: Revisiting Classifier Two-Sample Tests, David Lopez-Paz and Maxime Oquab, 2017,
        arXiv:1610.06545
    """
    rng = np.random.default_rng(seed)
    rows = min(len(first), len(second), most)
    both = [table[rng.permutation(len(table))[:rows]] for table in (first, second)]
    x = _for_trees(np.concatenate(both), discrete)
    y = np.repeat([0, 1], rows)
    # a fold holds the same rows of both tables, so that each class is half of it
    fold = np.tile(np.arange(rows) % min(FOLDS, max(rows, 2)), 2)
    right, drops = np.zeros(2 * rows, dtype=bool), []
    # trees this small gain nothing from threads, and wait long for them on a busy machine
    with import_extra("threadpoolctl", "tabular").threadpool_limits(1):
        for k in range(fold.max() + 1):
            test = fold == k
            trees = _fitted(x[~test], y[~test], discrete, seed)
            right[test] = trees.predict(x[test]) == y[test]
            drops.append([_drop(trees, x[test], y[test], j, rng) for j in range(x.shape[1])])
    accuracy = float(right.mean())
    error = float(np.sqrt(max(accuracy * (1 - accuracy), 0.25 / len(right)) / len(right)))
    return TwoSample(accuracy, error, rows, np.mean(drops, axis=0))


def _for_trees(x: Array, discrete: Array) -> Array:
    """Rare labels beyond what the trees can hold share a code; holes have a value of their own.

    (The trees know NaN, but fail on a column that has nothing else in a fold.)
    """
    x = x.copy()
    x[:, discrete] = np.minimum(x[:, discrete], MOST_CODES - 2)
    for j in range(x.shape[1]):
        hole = np.isnan(x[:, j])
        seen = x[~hole, j]
        below = 2 * seen.min() - seen.max() - 1 if len(seen) else 0.0
        x[hole, j] = MOST_CODES - 1 if discrete[j] else below
    return x


def _fitted(x: Array, y: Array, discrete: Array, seed: int) -> Any:
    ensemble = import_extra("sklearn.ensemble", "tabular")
    trees = ensemble.HistGradientBoostingClassifier(
        max_iter=60, categorical_features=discrete, early_stopping=False, random_state=seed
    )
    return trees.fit(x, y)


def _drop(trees: Any, x: Array, y: Array, column: int, rng: np.random.Generator) -> float:
    shuffled = x.copy()
    shuffled[:, column] = rng.permutation(shuffled[:, column])
    return float(np.mean(trees.predict(x) == y) - np.mean(trees.predict(shuffled) == y))
