"""Rows and losses of a fit, in words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from diffeo.cli.numbers import bits_per_dimension

if TYPE_CHECKING:
    from diffeo.model import Model

__all__ = ["rows_and_losses"]


def rows_and_losses(model: Model) -> list[tuple[str, str]]:
    """How many rows a fit had, and its losses."""
    data = model.record["data"]
    return [
        ("rows", f"{data['rows']:,} trained on, {data['validation_rows']:,} held out"),
        *_losses(model, model.record["history"], model.record["best_epoch"]),
    ]


def _losses(
    model: Model, epochs: list[dict[str, Any]], best_epoch: int
) -> Iterable[tuple[str, str]]:
    from diffeo.tabular import TableFlow

    best = next((epoch for epoch in epochs if epoch["epoch"] == best_epoch), {})
    for name, rows in (("train", "training"), ("validation", "held-out")):
        loss = best.get(name)
        if loss is None:
            continue
        label = f"{rows} {model.loss_name}"
        if model.loss_name != "nll":
            yield label, f"{loss:.4f}"
            continue
        bits = bits_per_dimension(-loss, model.event_shape[0])
        # a table is trained with columns hidden at random, which is a harder task
        hidden = ", with columns hidden" if name == "train" and isinstance(model, TableFlow) else ""
        yield label, f"{loss:.4f} nats a row, {bits:.4f} bits per dimension{hidden}"
