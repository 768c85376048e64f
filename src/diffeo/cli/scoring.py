"""Log-likelihoods of the rows of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from diffeo.cli.matching import Matched, Rows, check_support
from diffeo.errors import DataError

if TYPE_CHECKING:
    from diffeo.model import Model

__all__ = ["log_likelihoods"]


def log_likelihoods(model: Model, matched: Matched, rows: Rows) -> np.ndarray[Any, Any]:
    """log p of every row, in nats.

    Raises:
        DataError: a row outside the model's support, or so far out that its density is zero.
    """
    check_support(model, matched, rows)
    log_prob: np.ndarray[Any, Any] = model.log_prob(rows.x, rows.context)
    bad = ~np.isfinite(log_prob)
    if bad.any():
        row = int(bad.argmax())
        raise DataError(
            f"{matched.table.path}: {matched.table.where(rows.first + row)} has log-likelihood "
            f"{log_prob[row]}, because its values lie too far from the data of the fit for "
            f"{log_prob.dtype}; correct it or drop the row"
        )
    return log_prob
