"""Calibration by the probability integral transform: uniform if the model is true."""

from __future__ import annotations

import numpy as np

from diffeo.errors import import_extra
from diffeo.report.page.content import Array

__all__ = [
    "binomial_band",
    "central_coverage",
    "effective_rows",
    "pit_against_samples",
    "uniformity",
]


def central_coverage(pit: Array, nominal: Array) -> Array:
    r"""Share of the values inside the model's central intervals.

    The central interval of probability c holds x where $|u - 1/2| \le c / 2$, u = F(x).

    Args:
        pit: (rows, columns), u; NaN for holes.
        nominal: (levels,), the probabilities c.

    Returns:
        (levels, columns); NaN for a column without values.
    """
    inside = np.abs(pit - 0.5)[None] <= nominal[:, None, None] / 2
    seen = (~np.isnan(pit)).sum(axis=0)
    shares: Array = np.where(seen > 0, inside.sum(axis=1) / np.maximum(seen, 1), np.nan)
    return shares


def binomial_band(rows: int, share: Array, outside: float) -> tuple[Array, Array]:
    """Where the share of ``rows`` independent trials lies but for a probability of ``outside``.

    Raises:
        MissingExtraError: SciPy, which comes with scikit-learn, is not installed.
    """
    binom = import_extra("scipy.stats", "tabular").binom
    low, high = (binom.ppf(end, rows, share) / rows for end in (outside / 2, 1 - outside / 2))
    return low, high


def effective_rows(rows: int, samples: int | None) -> int:
    """As how many exact transforms ``rows`` ranks among ``samples`` vary: nm / (n + m).

    The samples' own noise is in all ranks alike. None stands for exact transforms.
    """
    return rows if samples is None else round(rows * samples / (rows + samples))


def uniformity(pit: Array, samples: int | None = None) -> tuple[Array, Array]:
    """Kolmogorov's test that the values (rows, columns) are uniform, column by column.

    Args:
        pit: NaN for holes.
        samples: among how many samples the values are ranks; None for exact transforms.

    Returns:
        The largest gaps to the uniform distribution function, and their p-values, (columns,) each.

    Raises:
        MissingExtraError: SciPy, which comes with scikit-learn, is not installed.
    """
    stats = import_extra("scipy.stats", "tabular")
    columns = [u[~np.isnan(u)] for u in pit.T]
    gaps = [stats.kstest(u, "uniform").statistic if len(u) else 0.0 for u in columns]
    rows = [max(effective_rows(len(u), samples), 1) for u in columns]
    p_values = [stats.kstwo.sf(gap, n) for gap, n in zip(gaps, rows, strict=True)]
    return np.array(gaps), np.array(p_values)


def pit_against_samples(data: Array, samples: Array, *, seed: int) -> Array:
    """Randomised ranks of the data among samples, in [0, 1]: uniform if both are of one law.

    With b of m samples below a value and e equal to it, u = (b + v (e + 1)) / (m + 1), v uniform.
    The +1 is the value's own place, so u is exactly uniform for every m.

    Args:
        data: (rows, columns), NaN for holes, which stay NaN.
        samples: (other rows, columns), NaN for holes, which are left out.
        seed: of v.

    Returns:
        (rows, columns).
    """
    uniform: Array = np.asarray(np.random.default_rng(seed).uniform(size=data.shape))
    ranks = np.empty(data.shape)
    for j in range(data.shape[1]):
        values, drawn = data[:, j], samples[:, j]
        order = np.sort(drawn[~np.isnan(drawn)])
        below, up_to = (order.searchsorted(values, side) for side in ("left", "right"))
        ranks[:, j] = (below + uniform[:, j] * (up_to - below + 1)) / (len(order) + 1)
    return np.where(np.isnan(data), np.nan, ranks)
