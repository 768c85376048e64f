"""A TableFlow fitted to columns of any type."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from diffeo.cli.config import checked_model_options
from diffeo.cli.tables.columns import print_columns
from diffeo.cli.tables.rows import located
from diffeo.errors import DataError, DataWarning

if TYPE_CHECKING:
    from diffeo.cli.fit_options import Options
    from diffeo.cli.tables.source import Source
    from diffeo.tabular import TableFlow
    from diffeo.tabular.columns import Schema

__all__ = ["fit_table"]


def fit_table(source: Source, schema: Schema | None, options: Options, quiet: bool) -> TableFlow:
    """The TableFlow of the source, fitted.

    Args:
        source: the columns.
        schema: their types, where they were looked at before.
        options: of model and fit, and types told.
        quiet: print neither types nor progress.

    Raises:
        DataError: a table that cannot be used, or options that the model does not take.

    Warns:
        DataWarning: columns left out of the density, and why.
    """
    from diffeo.tabular import TableFlow
    from diffeo.tabular.columns import infer_schema

    given = _model_options(options)
    frame = source.frame()
    try:
        schema = infer_schema(frame, options.schema) if schema is None else schema
        _warn_of_derived(schema)
        if not quiet:
            print_columns(schema)
            print(flush=True)
        flow = TableFlow(schema, **given)
        return flow.fit(frame, **options.fit)
    except DataError as error:
        raise located(source.table, error) from error
    except TypeError as error:
        raise ValueError(f"the options of the model do not fit: {error}") from error


def _model_options(options: Options) -> dict[str, Any]:
    from diffeo.tabular import TableFlow

    try:
        return checked_model_options(TableFlow, {"seed": options.seed, **options.model}, [])
    except DataError as error:
        raise DataError(f"{error} (the model is 'table'; choose another with --model)") from error


def _warn_of_derived(schema: Schema) -> None:
    if schema.derived:
        rules = "; ".join(rule.words() for rule in schema.derived.values())
        warnings.warn(f"left out of the density: {rules}", DataWarning, stacklevel=2)
