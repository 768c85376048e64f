"""The compiled kernels, where the package was built with them."""

from __future__ import annotations

import array
import ctypes
from collections.abc import Sequence
from pathlib import Path

__all__ = ["available", "lanes", "run_stack", "stack_saves"]


def _load() -> ctypes.CDLL | None:
    for path in sorted(Path(__file__).parent.glob("_native*.so")):
        try:
            library = ctypes.CDLL(str(path))
        except OSError:  # built for another machine
            continue
        library.diffeo_run.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
        library.diffeo_saves.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
        library.diffeo_saves.restype = ctypes.c_longlong
        return library
    return None


_LIBRARY = _load()


def available() -> bool:
    """Whether the compiled kernels are there."""
    return _LIBRARY is not None


def lanes(wanted: int = 0) -> int:
    """Floats in the vectors in use; 4, 8 or 16 takes other instructions, where the machine can."""
    assert _LIBRARY is not None
    return int(_LIBRARY.diffeo_lanes(wanted))


def run_stack(words: Sequence[int], numbers: Sequence[float]) -> None:
    """Run the stack that ``words`` and ``numbers`` describe.

    Raises:
        MemoryError: there is no memory for what the kernels sum up.
    """
    assert _LIBRARY is not None
    given, real = array.array("q", words), array.array("d", numbers)
    if _LIBRARY.diffeo_run(given.buffer_info()[0], real.buffer_info()[0]):
        raise MemoryError("the fused layers found no memory to work in")


def stack_saves(words: Sequence[int], numbers: Sequence[float]) -> int:
    """Floats that a stack keeps for its backward pass."""
    assert _LIBRARY is not None
    given, real = array.array("q", words), array.array("d", numbers)
    return int(_LIBRARY.diffeo_saves(given.buffer_info()[0], real.buffer_info()[0]))
