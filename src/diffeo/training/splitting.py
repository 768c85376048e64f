"""Which of the data are trained on, and which are held out: the same share of every class."""

from __future__ import annotations

import numpy as np
import torch

from diffeo.labels import Labels
from diffeo.training.data import split_rows

__all__ = ["split_evenly"]


def split_evenly(
    count: int, labels: Labels | None, share: float, seed: int
) -> tuple[Labels, Labels]:
    """Indices to train on and to hold out, each in ascending order, neither of them empty.

    Args:
        count: of the data, at least two.
        labels: (count,), of which the same share is held out of each class, up to one; or None.
        share: in (0, 1).
        seed: of the choice.

    Raises:
        ValueError: a share that is not between 0 and 1.
    """
    train, held_out = split_rows(count, share, seed)
    if len(train) == 0:
        train, held_out = held_out[:1], held_out[1:]
    if labels is None:
        return np.sort(train.numpy()), np.sort(held_out.numpy())
    # every k-th of a random order sorted by class: a share of each
    order = torch.cat([held_out, train]).numpy()
    order = order[np.argsort(labels[order], kind="stable")]
    at = (np.arange(len(held_out)) + 0.5) * len(order) / len(held_out)
    chosen = np.zeros(count, dtype=bool)
    chosen[order[at.astype(np.int64)]] = True
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)
