"""What the estimators check alike."""

from __future__ import annotations

from numbers import Real
from typing import Any

__all__ = ["check_number"]


def check_number(name: str, value: Any, valid: bool, expected: str) -> None:
    """Raise ValueError unless ``value`` is a number that is ``valid``, in words ``expected``."""
    if not isinstance(value, Real) or not valid:
        raise ValueError(f"{name} must be {expected}, got {value!r}")
