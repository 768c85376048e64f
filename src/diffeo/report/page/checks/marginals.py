"""How far the samples of one column are from its data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diffeo.errors import import_extra
from diffeo.report.page.content import Array

__all__ = ["Difference", "difference"]


@dataclass(frozen=True)
class Difference:
    """A distance between two columns.

    Attributes:
        distance: in [0, 1]: the largest gap between the distribution functions of numbers
            (Kolmogorov and Smirnov's), or half the sum of the gaps of the shares of labels (total
            variation).
        p_value: of the hypothesis that both are of one law.
    """

    distance: float
    p_value: float


def difference(data: Array, samples: Array, discrete: bool) -> Difference:
    """Compare data (rows,) and samples (other rows,), NaN for holes, which are left out.

    Raises:
        MissingExtraError: SciPy, which comes with scikit-learn, is not installed.
    """
    stats = import_extra("scipy.stats", "tabular")
    first, second = (values[~np.isnan(values)] for values in (data, samples))
    if not len(first) or not len(second):
        return Difference(float(len(first) != len(second)), 1.0)
    if not discrete:
        both = np.sort(np.concatenate([first, second]))
        cdfs = [np.sort(x).searchsorted(both, "right") / len(x) for x in (first, second)]
        distance = float(np.abs(cdfs[0] - cdfs[1]).max())
        effective = len(first) * len(second) / (len(first) + len(second))
        return Difference(distance, float(stats.kstwobign.sf(distance * np.sqrt(effective))))
    width = int(max(first.max(), second.max())) + 1
    counts = np.stack([np.bincount(x.astype(np.int64), minlength=width) for x in (first, second)])
    used = counts[:, counts.sum(axis=0) > 0]
    shares = used / used.sum(axis=1, keepdims=True)
    distance = float(np.abs(shares[0] - shares[1]).sum() / 2)
    p_value = 1.0 if used.shape[1] == 1 else float(stats.chi2_contingency(used, False)[1])
    return Difference(distance, p_value)
