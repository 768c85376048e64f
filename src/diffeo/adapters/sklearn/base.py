"""What the estimators check alike."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

__all__ = ["check_count", "check_number"]


def check_count(name: str, value: Any) -> None:
    """Raise ValueError unless ``value`` is a whole number of at least 1."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} must be a whole number >= 1, got {value!r}")


def check_number(name: str, value: Any, valid: bool, expected: str) -> None:
    """Raise ValueError unless ``value`` is a number that is ``valid``, in words ``expected``."""
    if not isinstance(value, Real) or not valid:
        raise ValueError(f"{name} must be {expected}, got {value!r}")
