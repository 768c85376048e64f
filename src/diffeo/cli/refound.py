"""Whether data are those that a model was fitted to."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

__all__ = ["same_data"]


def same_data(known: dict[str, Any], path: str, arguments: argparse.Namespace) -> bool:
    """Whether the path is that of the fit, and no other part of it.

    Args:
        known: what the model's record says of the path, split and labels of the fit.
        path: of the data.
        arguments: with flags of their split and labels.
    """
    there = Path(path).exists() and Path(known["path"]).exists()
    same = there and Path(path).samefile(known["path"])
    return same and arguments.split in (None, known["split"]) and not arguments.labels
