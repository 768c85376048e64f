"""What a model's record says of its training, in words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from diffeo.cli.numbers import bits_per_dimension

if TYPE_CHECKING:
    from diffeo.model import Model

__all__ = ["print_pairs", "training_summary"]

_STOPPED = {
    "epochs": "all epochs done",
    "patience": "no better for long enough (patience)",
    "max_time": "time was up",
    "interrupted": "interrupted",
}

Pairs = Iterable[tuple[str, str]]


def print_pairs(pairs: Pairs) -> None:
    """Labels on the left, values on the right."""
    for label, value in pairs:
        print(f"{label:<14}{value}")


def training_summary(model: Model) -> list[tuple[str, str]]:
    """Rows, loss, epochs and time of a fitted model."""
    record = model.record
    data, epochs = record["data"], record["history"]
    stopped = _STOPPED.get(record["stopped"], record["stopped"])
    return [
        ("rows", f"{data['rows']:,} trained on, {data['validation_rows']:,} held out"),
        *_losses(model, epochs, record["best_epoch"]),
        ("epochs", f"{len(epochs)}, best {record['best_epoch']}; stopped: {stopped}"),
        ("seconds", f"{record['seconds']:.1f}"),
    ]


def _losses(
    model: Model, epochs: list[dict[str, Any]], best_epoch: int
) -> Iterable[tuple[str, str]]:
    from diffeo.tabular import TableFlow

    best = next((epoch for epoch in epochs if epoch["epoch"] == best_epoch), {})
    for name, label in (("train", "training nll"), ("validation", "held-out nll")):
        loss = best.get(name)
        if loss is None:
            continue
        if isinstance(model, TableFlow):
            # trained in other units than those of log_prob, with columns hidden
            yield label, f"{loss:.4f} nats a row, in the coordinates of training"
        else:
            bits = bits_per_dimension(-loss, model.event_shape[0])
            yield label, f"{loss:.4f} nats a row, {bits:.4f} bits per dimension"
