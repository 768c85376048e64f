"""Data for a Stan program as JSON text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from diffeo.errors import TargetError

__all__ = ["as_json"]


def as_json(data: Mapping[str, Any] | str | Path | None) -> str:
    """The JSON of a dictionary of numbers, lists, arrays and tensors, or of a file.

    Raises:
        TargetError: a file that cannot be read, or a value that is no number or array of numbers.
    """
    if data is None:
        return "{}"
    if isinstance(data, str | Path):
        return _read(Path(data))
    if not isinstance(data, Mapping):
        raise TargetError(
            f"data must be a dictionary of names and values, or the path of a JSON file, "
            f"got {type(data).__name__}"
        )
    return json.dumps({str(name): _plain(name, value) for name, value in data.items()})


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TargetError(f"cannot read the data {str(path)!r}: {error}") from error


def _plain(name: str, value: Any) -> Any:
    """Numbers and nested lists; whole numbers stay whole, because Stan tells them apart."""
    if isinstance(value, Tensor):
        value = value.detach().cpu()
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise TargetError(f"data: {name!r} is not a rectangular array: {error}") from error
    if array.dtype.kind == "b":
        array = array.astype(np.int64)
    if array.dtype.kind not in "iuf":
        raise TargetError(f"data: {name!r} must be a number or an array of numbers, got {value!r}")
    return array.tolist()
