"""New rows from a model."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import torch

    from diffeo.cli.tables.matching import Matched
    from diffeo.model import Model
    from diffeo.tabular import TableFlow

    Columns = dict[str, np.ndarray[Any, Any]]

__all__ = ["sample_rows"]


def sample_rows(model: Model, arguments: argparse.Namespace) -> int:
    """Draw rows and write them; how many.

    Raises:
        ContextError: context for a model without, or none for one with.
        DataError: given values or contexts that cannot be.
    """
    import torch

    from diffeo.cli.output import check_output
    from diffeo.tabular import TableFlow
    from diffeo.tabular.writing import WRITABLE

    inputs = [arguments.model, *([arguments.context] if arguments.context else [])]
    check_output(arguments.output, WRITABLE, inputs)
    generator = torch.Generator().manual_seed(arguments.seed)
    if isinstance(model, TableFlow):
        return _sample_table(model, arguments, generator)
    return _sample_numbers(model, arguments, generator)


def _sample_numbers(model: Model, arguments: argparse.Namespace, generator: torch.Generator) -> int:
    from diffeo.cli.tables.matching import match_context
    from diffeo.errors import ContextError
    from diffeo.tabular import open_table, table_writer

    if arguments.given:
        raise ContextError(
            f"--given is for models of mixed tables; a {type(model).__name__} is conditional on "
            f"its context alone, if it has any (--context FILE)"
        )
    contexts = match_context(model, open_table(arguments.context)) if arguments.context else None
    drawn = 0
    with table_writer(arguments.output) as write:
        for columns in _chunks(model, arguments.n, contexts, generator):
            drawn += len(next(iter(columns.values())))
            write(columns)
    return drawn


def _sample_table(
    flow: TableFlow, arguments: argparse.Namespace, generator: torch.Generator
) -> int:
    from diffeo.cli.tables.given import given_values
    from diffeo.errors import ContextError
    from diffeo.tabular.frame_writing import frame_writer
    from diffeo.tabular.table import CHUNK_ROWS

    if arguments.context:
        raise ContextError("the model has no context; fix columns with --given A=1,B=x")
    given = given_values(flow.schema, arguments.given) if arguments.given else None
    with frame_writer(arguments.output) as write:
        for size in _sizes(arguments.n, CHUNK_ROWS):
            write(flow.sample(size, given=given, seed=generator))
    drawn: int = arguments.n
    return drawn


def _chunks(
    model: Model, n: int, contexts: Matched | None, generator: torch.Generator
) -> Iterator[Columns]:
    from diffeo.cli.tables.matching import model_columns
    from diffeo.errors import ContextError
    from diffeo.tabular.table import CHUNK_ROWS

    names, context_names = model_columns(model)
    if contexts is None:
        if context_names:
            raise ContextError(
                f"the model is conditional on {', '.join(context_names)}; "
                f"give a table of them with --context FILE"
            )
        for size in _sizes(n, CHUNK_ROWS):
            yield _columns(names, _drawn(model, size, None, generator)[:, 0])
        return
    for rows in contexts.rows(max(1, CHUNK_ROWS // n)):
        for size in _sizes(n, CHUNK_ROWS):
            x = _drawn(model, size, rows.x, generator)
            # one context after another: (size, contexts, D) -> (contexts * size, D)
            x = x.swapaxes(0, 1).reshape(-1, len(names))
            yield {**_columns(names, x), **_columns(contexts.names, rows.x.repeat(size, axis=0))}


def _sizes(total: int, most: int) -> Iterator[int]:
    for start in range(0, total, most):
        yield min(most, total - start)


def _drawn(
    model: Model, n: int, context: np.ndarray[Any, Any] | None, generator: torch.Generator
) -> np.ndarray[Any, Any]:
    """(n, contexts, D); one nameless context where the model takes none."""
    import numpy as np

    x = np.asarray(model.sample(n, context=context, seed=generator))
    return x if context is not None else x[:, None]


def _columns(names: list[str], values: np.ndarray[Any, Any]) -> Columns:
    return {name: values[:, i] for i, name in enumerate(names)}
