"""Labels from a file of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["is_file", "read_labels"]


def is_file(labels: str) -> bool:
    """Whether --labels means a file, not an array of the data's own file."""
    return Path(labels).suffix.lower() in (".npy", ".txt", ".csv")


def read_labels(path: str) -> tuple[Any, tuple[str, ...] | None]:
    """Numbers of classes; of words, the places of these in the alphabet, and the words.

    Args:
        path: a .npy file, or a text file with one label a line.
    """
    import numpy as np

    from diffeo.reading.array_files import read_npy

    if Path(path).suffix.lower() == ".npy":
        labels = read_npy(Path(path))
    else:
        lines = Path(path).read_text("utf-8", errors="replace").splitlines()
        labels = np.array([line.strip() for line in lines if line.strip()])
        if all(word.isdecimal() for word in labels):
            labels = labels.astype(np.int64)
    if labels.dtype.kind != "U":
        return labels, None
    names, numbers = np.unique(labels, return_inverse=True)
    return numbers, tuple(names.tolist())
