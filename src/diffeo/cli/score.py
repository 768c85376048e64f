"""`diffeo score`: the log-likelihood of every row."""

from __future__ import annotations

import argparse

from diffeo.cli.arguments import Subparsers, add_output, add_subcommand

__all__ = ["add_to"]

_COLUMN = "log_prob"


def add_to(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    parser = add_subcommand(
        subparsers, "score", "write the log-likelihood (nats) of every row of a table", _run
    )
    parser.add_argument("model", metavar="MODEL", help="a model file")
    parser.add_argument("data", metavar="DATA", help="a table with the model's columns")
    add_output(
        parser, f"CSV or Parquet file to write: the model's columns and {_COLUMN}, row by row"
    )


def _run(arguments: argparse.Namespace) -> int:
    from diffeo.cli.matching import match
    from diffeo.cli.numbers import RunningMean, bits_per_dimension, nats
    from diffeo.cli.output import check_output
    from diffeo.cli.scoring import log_likelihoods
    from diffeo.errors import DataError
    from diffeo.model import load
    from diffeo.tabular import open_table, table_writer
    from diffeo.tabular.writing import WRITABLE

    check_output(arguments.output, WRITABLE, [arguments.data, arguments.model])
    model = load(arguments.model)
    matched = match(model, open_table(arguments.data))
    if _COLUMN in matched.names:
        raise DataError(f"a column of the model is called {_COLUMN!r}; refit with another name")
    mean = RunningMean()
    with table_writer(arguments.output) as write:
        for rows in matched.rows():
            log_prob = log_likelihoods(model, matched, rows)
            mean.add(log_prob)
            write({**matched.columns(rows), _COLUMN: log_prob})
    bits = bits_per_dimension(mean.mean, len(matched.features))
    print(f"mean log-likelihood {nats(mean)}, {bits:.4f} bits per dimension, {mean.count:,} rows")
    print(f"wrote {arguments.output}")
    return 0
