"""Sizes, steps and batches with which a table is fitted, from the number of its rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["default_width", "fit_options"]

STEPS = 6000
LEAST_EPOCHS = 30
MOST_EPOCHS = 400
LEARNING_RATE = 5e-3


def default_width(rows: int) -> int:
    """Units of a hidden layer: more than a small table can use would only overfit it."""
    return 128 if rows < 1_000 else 256


def fit_options(rows: int, given: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of ``Model.fit``: about as many steps for small tables as for large ones.

    What is ``given`` wins.
    """
    batch_size = given.get("batch_size", 128 if rows < 3_000 else 256 if rows < 30_000 else 512)
    epochs = min(max(STEPS * batch_size // max(rows, 1), LEAST_EPOCHS), MOST_EPOCHS)
    rule = {
        "batch_size": batch_size,
        "epochs": epochs,
        "patience": max(20, epochs // 5),
        "lr": LEARNING_RATE,
    }
    return {**rule, **given}
