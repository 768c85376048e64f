"""The log-likelihood of every row of a table."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from diffeo.cli.numbers import RunningMean
    from diffeo.model import Model
    from diffeo.tabular import TableFlow

__all__ = ["score_rows"]

_COLUMN = "log_prob"


def score_rows(model: Model, arguments: argparse.Namespace) -> None:
    """Write the model's columns and log_prob, row by row, and print the mean.

    Raises:
        DataError: rows that are not the model's.
    """
    from diffeo.tabular import TableFlow

    if isinstance(model, TableFlow):
        _score_table(model, arguments)
    else:
        _score_numbers(model, arguments)


def _score_numbers(model: Model, arguments: argparse.Namespace) -> None:
    from diffeo.cli.numbers import RunningMean
    from diffeo.cli.tables.matching import match
    from diffeo.cli.tables.scoring import Draws, log_likelihoods
    from diffeo.tabular import open_table, table_writer

    draws = Draws(model, arguments.num_samples, arguments.seed)
    matched = match(model, open_table(arguments.data))
    _check_name(matched.names)
    mean = RunningMean()
    with table_writer(arguments.output) as write:
        for rows in matched.rows():
            log_prob = log_likelihoods(model, matched, rows, draws)
            mean.add(log_prob)
            write({**matched.columns(rows), _COLUMN: log_prob})
    _print(mean, len(matched.features), model.exactness == "bound")


def _score_table(flow: TableFlow, arguments: argparse.Namespace) -> None:
    import numpy as np

    from diffeo.cli.numbers import RunningMean
    from diffeo.cli.tables.rows import ScoredTable
    from diffeo.tabular import open_table
    from diffeo.tabular.frame_writing import frame_writer

    _check_name(list(flow.schema.order))
    scored = ScoredTable(flow, open_table(arguments.data))
    names = [name for name in flow.schema.order if name in scored.frame.columns]
    mean = RunningMean()
    with frame_writer(arguments.output, scored.frame[names]) as write:
        for rows, log_prob in scored.pieces():
            finite = log_prob[np.isfinite(log_prob)]
            if len(finite):
                mean.add(finite)
            write(rows[names].assign(**{_COLUMN: log_prob}))
    scored.warn_of_outside()
    if mean.count:
        _print(mean, len(flow.schema.columns))


def _check_name(names: list[str]) -> None:
    from diffeo.errors import DataError

    if _COLUMN in names:
        raise DataError(f"a column of the model is called {_COLUMN!r}; refit with another name")


def _print(mean: RunningMean, features: int, bound: bool = False) -> None:
    from diffeo.cli.numbers import bits_per_dimension, nats

    bits = bits_per_dimension(mean.mean, features)
    what = "a bound of the mean log-likelihood:" if bound else "mean log-likelihood"
    print(f"{what} {nats(mean)}, {bits:.4f} bits per dimension, {mean.count:,} rows")
