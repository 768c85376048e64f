"""Which model a table gets when the user names none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from diffeo.tabular.columns import Schema

__all__ = ["AUTO", "CONDITIONAL", "CONTINUOUS", "TABLE", "Choice", "choose"]

AUTO, TABLE, CONTINUOUS = "auto", "table", "continuous"
# for a density given context, and where options are asked for that only single flows have
CONDITIONAL = "nsf"
_SHOWN = 3  # reasons


@dataclass(frozen=True)
class Choice:
    """A model's name, why it was taken, and the columns' types where they were looked at."""

    name: str
    reason: str = ""
    schema: Schema | None = None


def choose(frame: pd.DataFrame, told: dict[str, Any]) -> Choice:
    """The model for a table without context.

    Raises:
        DataError: a column that is nothing; see ``infer_schema``.
    """
    from diffeo.tabular.columns import infer_schema
    from diffeo.tabular.plain import not_plain

    schema = infer_schema(frame, told)
    if told:
        return Choice(TABLE, "types of columns are given", schema)
    reasons = [f"{name!r} {why}" for name, why in not_plain(schema).items()]
    if not reasons:
        return Choice(CONTINUOUS, "all columns are continuous numbers")
    more = len(reasons) - _SHOWN
    shown = ", ".join(reasons[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
    return Choice(TABLE, f"not all columns are plain continuous numbers: {shown}", schema)
