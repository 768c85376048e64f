"""Log-densities of baselines, from frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from diffeo.report.page.checks.baselines import gaussian_log_prob, independent_log_prob
from diffeo.report.page.coded import code
from diffeo.report.page.content import Array, ColumnLike

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["baseline_log_probs"]


def baseline_log_probs(
    training: DataFrame, held_out: DataFrame, columns: Sequence[ColumnLike]
) -> dict[str, Array]:
    """Held-out log-densities (rows,) in nats under a Gaussian and under independent columns.

    Both are fitted to ``training`` and are densities with respect to the same measure as a
    ``TableFlow``: length for numbers, counting for labels, atoms and values on a lattice. What a
    row does not show is integrated out.

    Args:
        training: rows to fit to.
        held_out: rows to score.
        columns: which columns, and what they are.

    Returns:
        ``{"Gaussian": (rows,), "independent columns": (rows,)}``, for ``ReportContent.log_prob``.

    Raises:
        MissingExtraError: pandas is not installed.
        DataError: a column of numbers that holds something else.

    Example:
        >>> import numpy, pandas
        >>> from diffeo.report.page import ReportColumn, baseline_log_probs
        >>> x = pandas.DataFrame({"x": numpy.random.default_rng(0).normal(size=1000)})
        >>> scores = baseline_log_probs(x[:800], x[800:], [ReportColumn("x")])
        >>> sorted(scores), scores["Gaussian"].shape
        (['Gaussian', 'independent columns'], (200,))
    """
    coded = code(columns, training, held_out)
    return {
        "Gaussian": gaussian_log_prob(coded),
        "independent columns": independent_log_prob(coded),
    }
