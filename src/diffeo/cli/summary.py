"""What a model's record says of its training, in words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

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

# of the labels
_WIDTH = 14

Pairs = Iterable[tuple[str, str]]


def print_pairs(pairs: Pairs) -> None:
    """Labels on the left, values on the right."""
    shown = list(pairs)
    width = max([_WIDTH, *(len(label) + 1 for label, _ in shown)])
    for label, value in shown:
        print(f"{label:<{width}}{value}")


def training_summary(model: Model) -> list[tuple[str, str]]:
    """Rows, loss, epochs and time of a fitted model."""
    from diffeo.cli.kinds import kind_of_model

    record = model.record
    if "members" in record:
        return _members_summary(model)
    epochs = record["history"]
    stopped = _STOPPED.get(record["stopped"], record["stopped"])
    return [
        *kind_of_model(model).trained_on(model),
        ("epochs", f"{len(epochs)}, best {record['best_epoch']}; stopped: {stopped}"),
        ("seconds", f"{record['seconds']:.1f}"),
    ]


def _members_summary(model: Model) -> list[tuple[str, str]]:
    """The same of models that were fitted one by one and are averaged."""
    record, members = model.record, model.record["members"]
    epochs = [len(member["history"]) for member in members]
    rows = record["data"].get("rows")
    found = [("rows", f"{rows:,}, of which each member held out others")] if rows else []
    if record.get("held_out") is not None:
        loss = -record["held_out"]
        bits = bits_per_dimension(-loss, model.event_shape[0])
        found.append(("held-out nll", f"{loss:.4f} nats a row, {bits:.4f} bits per dimension"))
    if epochs:
        stopped = {_STOPPED.get(member["stopped"], member["stopped"]) for member in members}
        span = f"{min(epochs)}" if min(epochs) == max(epochs) else f"{min(epochs)} to {max(epochs)}"
        found.append(
            ("epochs", f"{span}, of {len(members)} members; stopped: {', '.join(sorted(stopped))}")
        )
    seconds = record.get("seconds", sum(member["seconds"] for member in members))
    return [*found, ("seconds", f"{seconds:.1f}")]
