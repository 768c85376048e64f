"""One compiled Stan program with its data, called in this process."""

from __future__ import annotations

import ctypes
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import torch

from diffeo.arrays import Floats
from diffeo.errors import TargetError

__all__ = ["Compiled"]


_POINTER, _LONG, _TEXT = ctypes.c_void_p, ctypes.c_long, ctypes.POINTER(ctypes.c_void_p)
_DOORS: dict[str, tuple[Any, list[Any]]] = {
    "create": (_POINTER, [ctypes.c_char_p, _TEXT]),
    "destroy": (None, [_POINTER]),
    "free": (None, [_POINTER]),
    "dim": (_LONG, [_POINTER]),
    "names": (_POINTER, [_POINTER, ctypes.c_int]),
    "evaluate": (_LONG, [_POINTER, _LONG, _LONG, _POINTER, _POINTER, _POINTER, _TEXT]),
    "constrain": (_LONG, [_POINTER, _LONG, _LONG, _POINTER, _POINTER, _TEXT]),
    "unconstrain": (_LONG, [_POINTER, _LONG, _LONG, _POINTER, _POINTER, _TEXT]),
}


class Compiled:
    """The doors of ``model.cpp``, on arrays of float64.

    Args:
        library: what ``compile.compiled`` made.
        data: JSON text.

    Attributes:
        dim: free reals.
        names: flat names of all constrained values, such as "P.1.2"; transformed parameters last.
        declared: how many of them are parameters.

    Raises:
        TargetError: Stan refuses the data.
    """

    def __init__(self, library: Path, data: str) -> None:
        self._doors = _load(library)
        message = ctypes.c_void_p()
        self._model = self._doors["create"](data.encode(), ctypes.byref(message))
        if not self._model:
            raise TargetError(f"Stan refuses the data: {self._text(message.value)}")
        weakref.finalize(self, self._doors["destroy"], self._model)
        self.dim = int(self._doors["dim"](self._model))
        self.names = self._names(transformed=True)
        self.declared = len(self._names(transformed=False))

    def evaluate(self, z: Floats, gradient: bool) -> tuple[Floats, Floats | None, int, str]:
        """Log-densities (n) and gradients (n, dim) at z (n, dim); failed rows, their message."""
        values = np.empty(len(z))
        slopes = np.empty_like(z) if gradient else None
        arrays = (z, values, slopes)
        failed, message = self._call("evaluate", len(z), torch.get_num_threads(), *arrays)
        return values, slopes, failed, message

    def constrain(self, z: Floats) -> Floats:
        """Constrained values (n, names) of z (n, dim); NaN where Stan cannot tell them.

        Those are transformed parameters that fail, or bounds that rounding has closed far out.
        """
        values = np.full((len(z), len(self.names)), np.nan)
        self._call("constrain", *values.shape, z, values)
        return values

    def unconstrain(self, values: Floats) -> Floats:
        """The z (n, dim) of parameters (n, declared)."""
        z = np.empty((len(values), self.dim))
        failed, message = self._call("unconstrain", *values.shape, values, z)
        if failed:
            raise TargetError(f"Stan cannot unconstrain {failed} of {len(z)} values: {message}")
        return z

    def _call(self, door: str, *arguments: Any) -> tuple[int, str]:
        message = ctypes.c_void_p()
        given = [a.ctypes.data if isinstance(a, np.ndarray) else a for a in arguments]
        failed = int(self._doors[door](self._model, *given, ctypes.byref(message)))
        return failed, self._text(message.value)

    def _names(self, transformed: bool) -> list[str]:
        return self._text(self._doors["names"](self._model, int(transformed))).split()

    def _text(self, address: int | None) -> str:
        """A string that the library made, which it frees."""
        if not address:
            return ""
        text = ctypes.string_at(address).decode(errors="replace")
        self._doors["free"](address)
        return text


def _load(path: Path) -> dict[str, Any]:
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise TargetError(f"cannot load the compiled Stan program: {error}") from error
    doors = {}
    for name, (result, arguments) in _DOORS.items():
        door = getattr(library, f"diffeo_{name}")
        door.restype, door.argtypes = result, arguments
        doors[name] = door
    return doors
