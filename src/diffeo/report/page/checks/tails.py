"""Are the samples' tails those of the data?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diffeo.errors import import_extra
from diffeo.report.page.content import Array

__all__ = ["ENDS", "Tails", "tail_shares"]

# probabilities of the samples' quantiles beyond which data are counted
ENDS = (0.001, 0.01, 0.99, 0.999)


@dataclass(frozen=True)
class Tails:
    """Shares beyond the samples' quantiles at ``ENDS``.

    Attributes:
        quantiles: (4,), of the samples.
        expected: (4,), share of the samples strictly beyond; less than nominal where values tie.
        observed: (4,), share of the data strictly beyond.
        p_values: (4,), of Fisher's exact test that both shares are one.
    """

    quantiles: Array
    expected: Array
    observed: Array
    p_values: Array


def tail_shares(data: Array, samples: Array) -> Tails:
    """Compare the tails of data (rows,) and samples (other rows,), without NaN, at ``ENDS``.

    Beyond means below the two lower quantiles and above the two upper ones. The test counts the
    rows beyond among data and samples alike, so that it also allows for the quantiles' own noise.

    Raises:
        MissingExtraError: SciPy, which comes with scikit-learn, is not installed.
    """
    fisher = import_extra("scipy.stats", "tabular").fisher_exact
    # Weibull's quantiles: a new row lies beyond them with the nominal probability, for any m
    quantiles = np.quantile(samples, ENDS, method="weibull")
    counts = [_beyond(values, quantiles) for values in (data, samples)]
    sizes = len(data), len(samples)
    p_values = [
        fisher([[k, n - k] for k, n in zip(pair, sizes, strict=True)])[1]
        for pair in zip(*counts, strict=True)
    ]
    observed, expected = (c / n for c, n in zip(counts, sizes, strict=True))
    return Tails(quantiles, expected, observed, np.array(p_values))


def _beyond(values: Array, quantiles: Array) -> Array:
    lower = [(values < q).sum() for q in quantiles[:2]]
    upper = [(values > q).sum() for q in quantiles[2:]]
    return np.array(lower + upper)
