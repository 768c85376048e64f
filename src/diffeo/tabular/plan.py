"""Sizes of the default density of continuous columns, and of its training."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Plan"]

# rows of a small table
SMALL = 2000
# of each member, up to so many columns
MOST_STEPS = 4000
MANY_COLUMNS = 40


@dataclass(frozen=True)
class Plan:
    """Sizes of the flows and of their training.

    Attributes:
        members: flows that are averaged.
        layers: autoregressive spline layers of each.
        hidden: hidden widths of their networks.
        bins: bins of their splines.
        epochs: most passes over the rows, of each.
        patience: epochs without a better held-out loss after which a member stops.
        batch_size: rows a step.
        lr: learning rate at the start.
        validation: share of the rows that each member holds out, another one each.
        max_time: seconds after which all training stops, or None.
    """

    members: int
    layers: int
    hidden: tuple[int, ...]
    bins: int
    epochs: int
    patience: int
    batch_size: int
    lr: float
    validation: float
    max_time: float | None

    @classmethod
    def of(cls, rows: int, columns: int = 1) -> Plan:
        """The default for such a table; by sizes alone, so that a seed decides the result.

        Small tables get more members of fewer steps: what an average gains there is more than
        what one flow learns. They take deeper flows, smaller batches and larger steps, too, which
        large ones do not. Wide ones get less of both, in proportion to what a step costs.
        """
        small = rows < SMALL
        members = 8 if small else 5 if rows < 8000 else 3
        share = min(1.0, MANY_COLUMNS / columns)
        batch_size = 64 if small else 256
        return cls(
            members=max(2, round(share * members)),
            layers=6 if small else 3,
            hidden=(96,) * 3 if small else (128,) * 3,
            bins=8,
            epochs=max(10, min(200, round(share * MOST_STEPS * batch_size / rows))),
            patience=20,
            batch_size=batch_size,
            lr=2e-2 if small else 1e-2,
            validation=0.1,
            max_time=None,
        )
