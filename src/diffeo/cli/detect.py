"""`diffeo detect`: which rows of a table are strange, and why."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from diffeo.cli.arguments import Subparsers, add_output, add_subcommand

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from diffeo.tabular import Surprise, TableFlow

__all__ = ["add_to"]

COLUMNS = ("anomaly_score", "p_value", "anomaly", "reasons")
REASONS = 3
# what a column must add to the score, in nats, to be a reason
LEAST_NATS = 0.5


def add_to(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    parser = add_subcommand(
        subparsers, "detect", "write how strange every row of a table is, and why", _run
    )
    parser.add_argument("model", metavar="MODEL", help="a model file of a table")
    parser.add_argument("data", metavar="DATA", help="a table with the model's columns")
    add_output(
        parser, f"CSV or Parquet file to write: the model's columns and {', '.join(COLUMNS)}"
    )
    parser.add_argument(
        "--level",
        type=_share,
        default=0.01,
        metavar="P",
        help="rows with a p-value of at most this are marked as anomalies (0.01)",
    )


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"expected a number between 0 and 1, got {text!r}")
    return value


def _run(arguments: argparse.Namespace) -> int:
    import numpy as np

    from diffeo import load
    from diffeo.cli.output import check_output
    from diffeo.cli.tables.rows import parts, read_rows, table_flow
    from diffeo.tabular import open_table, surprise
    from diffeo.tabular.frame_writing import frame_writer
    from diffeo.tabular.writing import WRITABLE

    check_output(arguments.output, WRITABLE, [arguments.data, arguments.model])
    flow = table_flow(load(arguments.model), "say which column is strange")
    _check(flow)
    frame = read_rows(flow, open_table(arguments.data))
    names = [name for name in flow.schema.order if name in frame.columns]
    marked = []
    with frame_writer(arguments.output) as write:
        for rows in parts(frame):
            found = surprise(flow, rows)
            anomaly = _marked(found, arguments.level)
            marked.append(anomaly)
            write(rows[names].assign(**_columns(found, anomaly)))
    count = int(np.concatenate(marked).sum())
    print(f"{count:,} of {len(frame):,} rows have a p-value of at most {arguments.level:g}")
    print(f"wrote {arguments.output}")
    return 0


def _check(flow: TableFlow) -> None:
    from diffeo.errors import DataError

    if "surprise" not in flow.record:
        raise DataError(
            "this model held out no rows to compare with, and so has no p-values; fit it again "
            "without '--validation none'"
        )
    taken = [name for name in COLUMNS if name in flow.schema.order]
    if taken:
        raise DataError(f"a column of the model is called {taken[0]!r}; refit with another name")


def _marked(found: Surprise, level: float) -> np.ndarray[Any, Any]:
    p_values = found.p_values
    assert p_values is not None
    return p_values <= level


def _columns(found: Surprise, anomaly: np.ndarray[Any, Any]) -> dict[str, Any]:
    reasons = [_reasons(row) for _, row in found.contributions.iterrows()]
    return dict(zip(COLUMNS, (found.scores, found.p_values, anomaly, reasons), strict=True))


def _reasons(contributions: pd.Series[float]) -> str:
    """The columns that add most, with what they add."""
    most = contributions.nlargest(REASONS)
    return "; ".join(f"{name} {nats:+.1f}" for name, nats in most.items() if nats >= LEAST_NATS)
