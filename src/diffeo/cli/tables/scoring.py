"""Log-likelihoods of the rows of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from diffeo.cli.tables.matching import Matched, Rows, check_support, match
from diffeo.cli.tables.rows import ScoredTable
from diffeo.errors import DataError

if TYPE_CHECKING:
    from diffeo.model import Model
    from diffeo.tabular import Table

__all__ = ["Draws", "log_likelihoods", "table_log_likelihoods"]


class Draws:
    """The draws of a density of which only a bound is known; nothing for exact ones.

    Args:
        model: the density.
        count: draws a row; None for one.
        seed: of one stream for all rows that follow.
    """

    def __init__(self, model: Model, count: int | None, seed: int) -> None:
        self.options: dict[str, Any] = {}
        if model.exactness == "bound":
            generator = torch.Generator(model.like.device).manual_seed(seed)
            self.options = {"num_samples": count or 1, "seed": generator}


def log_likelihoods(
    model: Model, matched: Matched, rows: Rows, draws: Draws
) -> np.ndarray[Any, Any]:
    """log p of every row, in nats, or a bound of it.

    Raises:
        DataError: a row outside the model's support, or so far out that its density is zero.
    """
    check_support(model, matched, rows)
    log_prob: np.ndarray[Any, Any] = model.log_prob(rows.x, rows.context, **draws.options)
    bad = ~np.isfinite(log_prob)
    if bad.any():
        row = int(bad.argmax())
        raise DataError(
            f"{matched.table.path}: {matched.table.where(rows.first + row)} has log-likelihood "
            f"{log_prob[row]}, because its values lie too far from the data of the fit for "
            f"{log_prob.dtype}; correct it or drop the row"
        )
    return log_prob


def table_log_likelihoods(model: Model, table: Table, draws: Draws) -> np.ndarray[Any, Any]:
    """log p of all rows of a table, float64.

    Raises:
        DataError: a row of density zero, besides what ``match`` refuses.
    """
    from diffeo.tabular import TableFlow

    if isinstance(model, TableFlow):
        scored = ScoredTable(model, table)
        found = [log_prob for _, log_prob in scored.pieces()]
        if scored.outside:
            raise DataError(f"{scored.where_outside()}; correct it or drop the row")
    else:
        matched = match(model, table)
        found = [log_likelihoods(model, matched, rows, draws) for rows in matched.rows()]
    return np.concatenate(found).astype(np.float64)
