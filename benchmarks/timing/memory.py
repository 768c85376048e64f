"""Memory that a training step needs above parameters, gradients and optimiser state."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path

import torch

__all__ = ["growth", "return_what_is_freed"]

MEBI = 2**20
M_MMAP_THRESHOLD = -3  # of glibc's malloc.h


def return_what_is_freed() -> None:
    """Give every larger block pages of its own, so that resident memory is memory in use.

    It slows allocations down: a process that does this is not one to take times of.
    """
    ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, 2**16)


def growth(step: Callable[[], None], device: str) -> float:
    """MiB by which the peak of one ``step`` exceeds what was allocated before it.

    The step must have run before, which leaves gradients and state of the optimiser allocated. On
    the CPU this is the process's resident memory, whose peak Linux alone can reset.
    """
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        step()
        return (torch.cuda.max_memory_allocated() - before) / MEBI
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = _resident("VmRSS")
    step()
    return (_resident("VmHWM") - before) / MEBI


def _resident(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith(f"{name}:"))
    return int(kilobytes) * 1024
