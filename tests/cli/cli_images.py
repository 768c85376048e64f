"""Tiny images of two classes that look different, and the smallest model of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

# smallest sizes: what is learned does not matter
TINY = {"model": {"scales": 2, "steps": 1, "hidden": 8}, "fit": {"epochs": 2, "batch_size": 16}}


def images(count: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(count, 8, 8) of 4 bits, and labels: dark on the left, or dark on the right."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    bright = np.where((np.arange(8) < 4)[None, None, :] == (labels[:, None, None] == 1), 12, 2)
    return (bright + rng.integers(0, 4, (count, 8, 8))).astype(np.uint8), labels


def write_images(path: Path, *, labelled: bool = True, seed: int = 0) -> Path:
    """An .npz file of ``images`` of 4 bits."""
    x, y = images(seed=seed)
    np.savez(path, x=x, scale=np.array(15), **({"y": y} if labelled else {}))
    return path


def write_config(path: Path, **model: object) -> Path:
    """A configuration of the tiny model; ``model`` wins over its sizes."""
    path.write_text(json.dumps({**TINY, "model": {**TINY["model"], **model}}))
    return path
