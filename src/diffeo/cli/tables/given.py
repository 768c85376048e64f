"""Values of some columns that a user gives, as text, to condition on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from diffeo.cli.tables.schema_text import read_given
from diffeo.errors import DataError

if TYPE_CHECKING:
    from diffeo.tabular.columns import Column, Schema

__all__ = ["given_values"]

_YES_NO = {"true": True, "yes": True, "false": False, "no": False}


def given_values(schema: Schema, text: str) -> dict[str, Any]:
    """The values of ``text`` as the columns have them.

    Raises:
        DataError: an unknown column, one that follows from others, or a value that none of the
            training rows could have had.
    """
    given = {name: _value(schema.column(name), value) for name, value in read_given(text).items()}
    for name in given:
        if name in schema.derived:
            raise DataError(
                f"--given: {schema.derived[name].words()}; give the columns it follows from"
            )
    row = {name: [value] for name, value in given.items()}
    try:
        # a level never seen has a probability, but as a condition it is a slip of the finger
        schema.encode(row, strict=True, allow_missing_columns=True)
    except DataError as error:
        raise DataError(f"--given: {str(error).removeprefix('row 1, ')}") from error
    return given


def _value(column: Column, value: Any) -> Any:
    """Words for yes and no where the column has them; all else is read by the schema."""
    if isinstance(value, str) and set(column.levels) == {True, False}:
        return _YES_NO.get(value.lower(), value)
    return value
