"""Where the benchmarks' data lie."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["data_folder"]

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


def data_folder(name: str) -> Path:
    """The folder ``name`` in $DIFFEO_DATA, by default in ../shared/data of the project.

    Raises:
        FileNotFoundError: it is not there.
    """
    path = Path(os.environ.get("DIFFEO_DATA", SHARED)) / name
    if not path.is_dir():
        raise FileNotFoundError(
            f"no {name} at {path}: name the folder that holds it in DIFFEO_DATA"
        )
    return path
