"""A flow fitted to columns of continuous numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from diffeo.cli.config import checked_model_options
from diffeo.cli.tables.matching import Matched, Rows, check_support

if TYPE_CHECKING:
    from diffeo.cli.fit_options import Options
    from diffeo.cli.tables.source import Source
    from diffeo.model import Model

__all__ = ["fit_numbers"]


def fit_numbers(source: Source, name: str, options: Options, quiet: bool) -> Model:
    """The model of that name, fitted.

    Raises:
        DataError: a cell that is not a finite number, or options that the model does not take.
        ValueError: options that do not fit together.
    """
    from diffeo.models import model_class

    columns = Matched(
        source.table, source.features, source.context, source.features + source.context
    )
    if not quiet:
        given = f" given {', '.join(columns.context)}" if columns.context else ""
        print(f"fitting the density of {', '.join(columns.features)}{given}", flush=True)
    model = _built(model_class(name), columns, {"seed": options.seed, **options.model})
    _fit(model, columns, options.fit)
    return model


def _built(build: Any, columns: Matched, given: dict[str, Any]) -> Model:
    options = checked_model_options(build, given, columns.features)
    try:
        model: Model = build(len(columns.features), context=len(columns.context), **options)
    except (TypeError, RuntimeError) as error:
        raise ValueError(f"the options of the model do not fit: {error}") from error
    return model


def _fit(model: Model, columns: Matched, options: dict[str, Any]) -> None:
    table = columns.table.frame(columns.names)
    events = table[columns.features]
    # checked here as well, because rows have other names in a file than in an array
    check_support(model, columns, Rows(events.to_numpy(), None, 0), inside=True)
    model.fit(events, context=table[columns.context] if columns.context else None, **options)
