"""How large an ensemble is and how long it is trained, by one rule for all tables."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Capacity"]


@dataclass(frozen=True)
class Capacity:
    """Sizes of an ensemble and of its training.

    Attributes:
        members: networks, each pair trained without one of as many folds of the rows.
        components: logistics that each network mixes.
        hidden: widths of its hidden layers.
        dropout: share of each hidden layer that is dropped in training.
        lr: learning rate at the start of its cosine schedule.
        weight_decay: of AdamW.
        batch_size: rows a step.
        steps: gradient steps at most.
        patience: share of ``steps`` without a better held-out loss after which a fit ends.
    """

    members: int = 8
    components: int = 5
    hidden: tuple[int, ...] = (128, 128)
    dropout: float = 0.0
    lr: float = 3e-3
    weight_decay: float = 1e-2
    batch_size: int = 64
    steps: int = 1500
    patience: float = 0.3

    @staticmethod
    def batch_for(rows: int) -> int:
        """A 32nd of the rows, as a power of two from 64 to 512."""
        return int(min(max(2 ** round(math.log2(max(rows, 1) / 32)), 64), 512))

    @staticmethod
    def steps_for(rows: int) -> int:
        """1500 for ten thousand rows or fewer, then growing with the square root up to 6000."""
        return int(min(1500 * math.sqrt(max(rows / 10_000, 1)), 6000))
