"""Batches on the device that trains."""

from __future__ import annotations

import torch
from torch import Tensor

from diffeo.training.data import Rows

__all__ = ["Feed"]

# the share of an accelerator's free memory that rows may take; the rest is for training
SHARE = 0.5


class Feed:
    """Rows that are on the device where they fit, and else come to it batch by batch.

    Args:
        rows: all rows.
        device: where batches are wanted.

    Attributes:
        rows: the same rows, where they wait.
    """

    def __init__(self, rows: Rows, device: torch.device) -> None:
        self.device = device
        self.resident = _fits(rows, device)
        self.rows = rows.to(device) if self.resident else rows

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, index: Tensor | slice) -> Rows:
        """The rows at ``index``, on the device."""
        batch = self.rows.take(index)
        return batch if self.resident else batch.to(self.device)


def _fits(rows: Rows, device: torch.device) -> bool:
    # other devices share the host's memory, in which the rows are already
    if device.type != "cuda" or rows.x.device == device:
        return True
    free, _ = torch.cuda.mem_get_info(device)
    return rows.size <= SHARE * free
