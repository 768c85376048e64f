"""P-values of scores against those of rows held out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from diffeo.arrays import Floats
from diffeo.errors import DataError

__all__ = ["at_least", "conformal_p_values"]


def conformal_p_values(held_out: npt.ArrayLike, scores: npt.ArrayLike) -> Floats:
    """How often a row like those held out would score at least as high:

        p = (1 + #{held-out scores >= score}) / (n + 1).

    For a new row that is exchangeable with the n held-out ones, P(p <= a) <= a for every a,
    whatever the scores mean. Anomalies among the held-out rows make p larger, never smaller.

    Args:
        held_out: (n,), of rows that no training saw.
        scores: (rows,), higher for stranger rows.

    Returns:
        (rows,), between 1 / (n + 1) and 1.

    Raises:
        DataError: no held-out scores, or NaN among the numbers.

    Reference: "Inductive Confidence Machines for Regression", Papadopoulos, Proedrou, Vovk,
    Gammerman, 2002; "Testing for Outliers with Conformal p-values", Bates, Candes, Lei, Romano,
    Sesia, 2021, arXiv:2104.08279.

    Example:
        >>> from diffeo.tabular.anomaly import conformal_p_values
        >>> conformal_p_values([1.0, 2.0, 3.0], [0.0, 2.5, 9.0]).tolist()
        [1.0, 0.5, 0.25]
    """
    sorted_scores = np.sort(_finite(held_out, "held-out scores"))
    given = _finite(scores, "scores")
    if not len(sorted_scores):
        raise DataError("p-values need at least one held-out score, got none")
    return (1 + at_least(sorted_scores, given)) / (len(sorted_scores) + 1)


def at_least(sorted_scores: Floats, scores: Floats) -> npt.NDArray[np.intp]:
    """How many of ``sorted_scores`` reach each of ``scores``."""
    return len(sorted_scores) - np.searchsorted(sorted_scores, scores, side="left")


def _finite(values: npt.ArrayLike, what: str) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise DataError(f"expected {what} of shape (rows,), got {array.shape}")
    if np.isnan(array).any():
        raise DataError(f"NaN among the {what}, first at {int(np.isnan(array).argmax())}")
    return array
