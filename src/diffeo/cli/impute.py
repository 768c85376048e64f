"""`diffeo impute`: a table with its holes filled."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from diffeo.cli.arguments import Subparsers, add_output, add_subcommand, count, seed

if TYPE_CHECKING:
    import pandas as pd

    from diffeo.tabular import TableFlow

__all__ = ["add_to"]

_COLUMN = "imputation"


def add_to(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    parser = add_subcommand(
        subparsers, "impute", "fill the holes of a table by draws given what is observed", _run
    )
    parser.add_argument("model", metavar="MODEL", help="a model file of a mixed table")
    parser.add_argument(
        "data", metavar="DATA", help="a table with columns of the model; others are kept"
    )
    add_output(parser, "CSV or Parquet file to write")
    parser.add_argument(
        "-n",
        type=count,
        default=1,
        metavar="N",
        help=f"imputations, one after another, numbered in a first column {_COLUMN!r} (1)",
    )
    parser.add_argument(
        "--seed", type=seed, default=0, metavar="N", help="the same seed draws the same values (0)"
    )


def _run(arguments: argparse.Namespace) -> int:
    import torch

    from diffeo import load
    from diffeo.cli.output import check_output
    from diffeo.cli.tables.rows import parts, read_rows, table_flow
    from diffeo.tabular import open_table
    from diffeo.tabular.frame_writing import frame_writer
    from diffeo.tabular.writing import WRITABLE

    check_output(arguments.output, WRITABLE, [arguments.data, arguments.model])
    flow = table_flow(load(arguments.model), "fill holes")
    frame = read_rows(flow, open_table(arguments.data), partial=True)
    _check_columns(flow, frame, arguments)
    generator = torch.Generator().manual_seed(arguments.seed)
    known = frame.dropna(axis=1, how="all")
    with frame_writer(arguments.output, known) as write:
        for number in range(1, arguments.n + 1):
            for rows in parts(frame):
                filled = _beside(rows, flow.impute(rows, 1, seed=generator)[0])
                if arguments.n > 1:
                    filled.insert(0, _COLUMN, number)
                write(filled)
    print(f"{_holes(flow, frame)} filled, {arguments.n} x {len(frame):,} rows")
    print(f"wrote {arguments.output}")
    return 0


def _check_columns(flow: TableFlow, frame: pd.DataFrame, arguments: argparse.Namespace) -> None:
    from diffeo.errors import DataError
    from diffeo.tabular.table import shortened

    if not any(name in frame.columns for name in flow.schema.names):
        raise DataError(
            f"{arguments.data} has none of the model's columns "
            f"({shortened(flow.schema.names)}), only {shortened(list(frame.columns))}"
        )
    if arguments.n > 1 and _COLUMN in [*frame.columns, *flow.schema.order]:
        raise DataError(f"a column is called {_COLUMN!r} already; rename it, or leave out -n")


def _beside(rows: pd.DataFrame, filled: pd.DataFrame) -> pd.DataFrame:
    """The rows with what is filled in its place, and new columns at the end."""
    rows = rows.reset_index(drop=True)
    return rows.assign(**{name: filled[name] for name in filled.columns})


def _holes(flow: TableFlow, frame: pd.DataFrame) -> str:
    there = [name for name in flow.schema.order if name in frame.columns]
    absent = len(flow.schema.order) - len(there)
    holes = int(frame[there].isna().to_numpy().sum()) + absent * len(frame)
    return "1 hole" if holes == 1 else f"{holes:,} holes"
