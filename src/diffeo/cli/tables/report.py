"""A page that judges a model of a table."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from diffeo.model import Model

__all__ = ["report_rows"]


def report_rows(model: Model, arguments: argparse.Namespace) -> None:
    """Write the page.

    Raises:
        DataError: no table to judge it by, or one that is not the model's.
    """
    from diffeo.errors import DataError
    from diffeo.report.page import write_report
    from diffeo.tabular import report_content

    if arguments.data is None:
        raise DataError("name a table to judge the model by: diffeo report MODEL DATA -o OUT")
    content = report_content(
        model,
        arguments.data,
        training=arguments.training,
        title=arguments.title or f"Report on {Path(arguments.model).stem}",
        made=[("model file", arguments.model), ("data", arguments.data)],
        seed=arguments.seed,
    )
    write_report(content, arguments.output)
