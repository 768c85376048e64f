"""How dependent two columns are: mutual information of their bins."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from diffeo.report.page.content import Array

__all__ = ["mutual_information", "pairs_by_dependence", "shared_bins"]

BINS = 12
MOST_ROWS = 10_000
# labels with a bin of their own, the most frequent ones
MOST_LABELS = 30


def shared_bins(values: Array, discrete: bool, bins: int = BINS) -> tuple[Array, int]:
    """Bins of equal mass, 0, 1, ..., of values (rows,); -1 for NaN. Rare labels share a bin.

    Returns:
        The bins (rows,) and how many there are.
    """
    hole = np.isnan(values)
    if discrete:
        codes = np.where(hole, 0, values).astype(np.int64)
        counts = np.bincount(codes[~hole], minlength=1)
        rank = np.argsort(np.argsort(-counts, kind="stable"), kind="stable")
        found = np.where(hole, -1, np.minimum(rank, MOST_LABELS)[codes])
    else:
        seen = values[~hole]
        inner = np.quantile(seen, np.linspace(0, 1, bins + 1)[1:-1]) if len(seen) else np.empty(0)
        # tied quantiles would leave empty bins
        found = np.where(hole, -1, np.unique(inner).searchsorted(values, "right"))
    return found, int(found.max(initial=0)) + 1


def mutual_information(first: tuple[Array, int], second: tuple[Array, int]) -> float:
    r"""Mutual information in nats of two columns of bins, corrected for the bias of few rows.

    $\sum_{ij} p_{ij} \log \frac{p_{ij}}{p_i p_j}$ less (cells - rows - columns + 1) / 2n of the
    cells, rows and columns in use, and never below 0. Rows with a hole in either column are left
    out.

    Reference: Note on the bias of information estimates, George Miller, 1955
    """
    (a, width), (b, height) = first, second
    both = (a >= 0) & (b >= 0)
    n = int(both.sum())
    if not n:
        return 0.0
    table = np.bincount(a[both] * height + b[both], minlength=width * height)
    p = table.reshape(width, height) / n
    across, up = p.sum(axis=1, keepdims=True), p.sum(axis=0, keepdims=True)
    used = p > 0
    raw = float((p[used] * np.log(p[used] / (across * up)[used])).sum())
    bias = (used.sum() - (across > 0).sum() - (up > 0).sum() + 1) / (2 * n)
    return max(raw - float(bias), 0.0)


def pairs_by_dependence(
    table: Array, discrete: Array, *, seed: int
) -> list[tuple[int, int, float]]:
    """All pairs of columns of ``table`` (rows, columns), the most dependent first.

    Args:
        table: NaN for holes.
        discrete: (columns,), where the numbers are codes of labels.
        seed: of the subsample of 10,000 rows.

    Returns:
        (i, j, mutual information) with i < j.
    """
    if len(table) > MOST_ROWS:
        table = table[np.random.default_rng(seed).permutation(len(table))[:MOST_ROWS]]
    binned = [shared_bins(table[:, j], bool(discrete[j])) for j in range(table.shape[1])]
    pairs = [
        (i, j, mutual_information(binned[i], binned[j]))
        for i, j in combinations(range(len(binned)), 2)
    ]
    return sorted(pairs, key=lambda pair: -pair[2])
