"""The compiled kernels, where the package was built with them."""

from __future__ import annotations

import array
import ctypes
from collections.abc import Sequence
from pathlib import Path

__all__ = ["Request", "available", "lanes", "run_stack", "stack_saves"]


# what doors.cpp must answer
_INTERFACE = 1

_NO_MEMORY = "the fused layers found no memory to work in"


def _load() -> ctypes.CDLL | None:
    for path in sorted(Path(__file__).parent.glob("_native*.so")):
        try:
            library = ctypes.CDLL(str(path))
        except OSError:  # built for another machine
            continue
        # built from older sources, by an installation that was not repeated
        if getattr(library, "diffeo_interface", int)() != _INTERFACE:
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


class Request:
    """A pass through a stack as the whole and the real numbers that the kernels read."""

    def __init__(self, words: Sequence[int], numbers: Sequence[float]) -> None:
        self.words, self.numbers = array.array("q", words), array.array("d", numbers)

    def addresses(self) -> tuple[int, int]:
        return self.words.buffer_info()[0], self.numbers.buffer_info()[0]


def run_stack(request: Request) -> None:
    """Run a pass.

    Raises:
        MemoryError: there is no memory for what the kernels sum up.
    """
    assert _LIBRARY is not None
    if _LIBRARY.diffeo_run(*request.addresses()):
        raise MemoryError(_NO_MEMORY)


def stack_saves(request: Request) -> int:
    """Floats that a forward pass keeps for its backward pass.

    Raises:
        MemoryError: there is no memory for the plan of the pass.
    """
    assert _LIBRARY is not None
    floats = int(_LIBRARY.diffeo_saves(*request.addresses()))
    if floats < 0:
        raise MemoryError(_NO_MEMORY)
    return floats
