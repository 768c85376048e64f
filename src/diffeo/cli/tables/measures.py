"""With respect to what a model's log_prob is a density, column by column."""

from __future__ import annotations

from typing import TYPE_CHECKING

from diffeo.cli.tables.matching import model_columns
from diffeo.errors import DataError
from diffeo.supports.discrete import discrete_columns

if TYPE_CHECKING:
    from diffeo.model import Model
    from diffeo.tabular.columns import Column

__all__ = ["check_comparable", "in_words", "measures"]

LENGTH, COUNTING = "length", "counting"


def measures(model: Model) -> dict[str, str]:
    """The reference measure of each column in words: length, counting, or a mix."""
    from diffeo.tabular import TableFlow

    if isinstance(model, TableFlow):
        return {column.name: _measure(column) for column in model.schema.columns}
    names, _ = model_columns(model)
    counted = discrete_columns(model.support, len(names))
    return {n: COUNTING if c else LENGTH for n, c in zip(names, counted, strict=True)}


def _measure(column: Column) -> str:
    if column.discrete:
        return COUNTING
    if column.step:
        # a value then stands for its cell, whose mass depends on the width
        return COUNTING if column.decimals is not None else f"cells of {column.step:.6g}"
    if column.atoms:
        return f"{LENGTH}, and the points {', '.join(f'{atom:g}' for atom in column.atoms)}"
    return LENGTH


def in_words(model: Model) -> str:
    """Where and how a model's log_prob is meant."""
    from diffeo.tabular import TableFlow

    if not isinstance(model, TableFlow):
        return f"on {model.support!r}"
    found = measures(model).values()
    counts = [(sum(m == LENGTH for m in found), "densities")]
    counts += [(sum(m == COUNTING or m.startswith("cells") for m in found), "probabilities")]
    counts += [(sum(m.startswith(f"{LENGTH},") for m in found), "both")]
    parts = [f"{what} of {n} column{'s' * (n > 1)}" for n, what in counts if n]
    return "the product of " + ", ".join(parts)


def check_comparable(first: Model, second: Model) -> None:
    """Raise unless both are densities of the same columns with respect to the same measure.

    Raises:
        DataError: naming what differs.
    """
    of_first, of_second = measures(first), measures(second)
    if set(of_first) != set(of_second):
        raise DataError(
            f"the models are densities of different columns, {', '.join(of_first)} and "
            f"{', '.join(of_second)}, so their likelihoods cannot be compared"
        )
    for name, measure in of_first.items():
        if measure != of_second[name]:
            raise DataError(
                f"the models measure column {name!r} differently, the first by {measure}, the "
                f"second by {of_second[name]}: a density and a probability cannot be compared; "
                f"fit both with the same types of columns"
            )
