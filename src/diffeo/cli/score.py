"""`diffeo score`: the log-likelihood of every row, or of every image."""

from __future__ import annotations

import argparse

from diffeo.cli.arguments import (
    Subparsers,
    add_draws,
    add_output,
    add_reading,
    add_subcommand,
    check_draws,
)
from diffeo.cli.kinds import add_flags, kind_of_model, refuse_others

__all__ = ["add_to"]


def add_to(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    parser = add_subcommand(
        subparsers,
        "score",
        "write the log-likelihood (nats) of every row, image, cloud or piece, or of a text",
        _run,
    )
    parser.add_argument("model", metavar="MODEL", help="a model file")
    parser.add_argument("data", metavar="DATA", help="what the model is of")
    add_output(
        parser,
        "CSV or Parquet file to write: the model's columns and log_prob, row by row; of others one "
        "line each, with bits per dimension or nats per point or step",
    )
    add_draws(parser)
    add_reading(parser)
    add_flags("score", parser)


def _run(arguments: argparse.Namespace) -> int:
    from diffeo import load
    from diffeo.cli.output import check_output
    from diffeo.tabular.writing import WRITABLE

    check_output(arguments.output, WRITABLE, [arguments.data, arguments.model])
    model = load(arguments.model)
    kind = kind_of_model(model)
    refuse_others(kind, "score", arguments)
    check_draws(model, arguments.num_samples)
    kind.score(model, arguments)
    print(f"wrote {arguments.output}")
    return 0
