"""`diffeo score`: the log-likelihood of every row, or of every image."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from diffeo.cli.arguments import Subparsers, add_draws, add_output, add_subcommand
from diffeo.cli.image_arguments import add_images, of_images
from diffeo.cli.score_images import score_images

if TYPE_CHECKING:
    from diffeo.cli.numbers import RunningMean
    from diffeo.model import Model
    from diffeo.tabular import TableFlow

__all__ = ["add_to"]

_COLUMN = "log_prob"


def add_to(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    parser = add_subcommand(
        subparsers,
        "score",
        "write the log-likelihood (nats) of every row of a table, or of every image",
        _run,
    )
    parser.add_argument("model", metavar="MODEL", help="a model file")
    parser.add_argument("data", metavar="DATA", help="a table with the model's columns, or images")
    add_output(
        parser,
        f"CSV or Parquet file to write: the model's columns and {_COLUMN}, row by row; of images, "
        f"bits_per_dim and {_COLUMN}",
    )
    add_draws(parser)
    add_images(parser)


def _run(arguments: argparse.Namespace) -> int:
    from diffeo import load
    from diffeo.cli.output import check_output
    from diffeo.images import ImageModel
    from diffeo.tabular import TableFlow
    from diffeo.tabular.writing import WRITABLE

    check_output(arguments.output, WRITABLE, [arguments.data, arguments.model])
    model = load(arguments.model)
    if isinstance(model, ImageModel):
        score_images(model, arguments)
        print(f"wrote {arguments.output}")
        return 0
    of_images(arguments)
    if isinstance(model, TableFlow):
        _score_table(model, arguments)
    else:
        _score_numbers(model, arguments)
    print(f"wrote {arguments.output}")
    return 0


def _score_numbers(model: Model, arguments: argparse.Namespace) -> None:
    from diffeo.cli.matching import match
    from diffeo.cli.numbers import RunningMean
    from diffeo.cli.scoring import Draws, log_likelihoods
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
    from diffeo.cli.scoring import Draws
    from diffeo.cli.table_rows import ScoredTable
    from diffeo.tabular import open_table
    from diffeo.tabular.frame_writing import frame_writer

    Draws(flow, arguments.num_samples, arguments.seed)
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
