"""The record of a fit in a table's own units."""

from __future__ import annotations

from typing import Any

__all__ = ["in_units"]


def in_units(record: dict[str, Any], train: float, held_out: float | None) -> dict[str, Any]:
    """A record whose losses are -log p of values, not of their coordinates.

    Args:
        record: as training wrote it, in coordinates.
        train: mean log-slope of the coordinates over the rows of training.
        held_out: the same over the rows held out; None where there are none.
    """
    history = [
        {
            **epoch,
            "train": epoch["train"] - train,
            "validation": None if held_out is None else epoch["validation"] - held_out,
        }
        for epoch in record["history"]
    ]
    best = record["best_loss"] - (train if held_out is None else held_out)
    return {**record, "history": history, "best_loss": best}
