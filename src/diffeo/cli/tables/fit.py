"""A model of the rows of a table, fitted."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from diffeo.cli.fit_options import Options
    from diffeo.model import Model

__all__ = ["fit_rows"]


def fit_rows(name: str, arguments: argparse.Namespace, options: Options) -> Model:
    """The model of that name, or the one that suits the columns, fitted to them.

    Raises:
        DataError: a table that cannot be used, or options that the model does not take.
        ContextError: context for a model without.
    """
    from diffeo.cli.tables.choosing import CONTINUOUS, TABLE
    from diffeo.cli.tables.fit_continuous import fit_average
    from diffeo.cli.tables.fit_mixed import fit_table
    from diffeo.cli.tables.fit_numbers import fit_numbers
    from diffeo.cli.tables.source import Source
    from diffeo.tabular import open_table

    source = Source.of(open_table(arguments.data), arguments.columns, arguments.context)
    choice = source.choose(name, options)
    if not arguments.quiet and choice.reason:
        print(f"model {choice.name}: {choice.reason}", flush=True)
    if choice.name == TABLE:
        return fit_table(source, choice.schema, options, arguments.quiet)
    if choice.name == CONTINUOUS:
        return fit_average(source, options, arguments.quiet)
    return fit_numbers(source, choice.name, options, arguments.quiet)
