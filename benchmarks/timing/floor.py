"""What the arithmetic alone takes: a case's matrix products at the rate measured here."""

from __future__ import annotations

import itertools
import statistics
import time

import torch
from peers import Architecture

from timing.cases import Work

__all__ = ["flops", "gemm_rate"]

GEMM = {"cpu": 2048, "cuda": 8192}


def flops(architecture: Architecture, work: Work) -> float | None:
    """Of the conditioners' dense products; None where there are none, or nothing is timed.

    A masked matrix counts with its zeros. An inverse of a masked autoregressive layer counts as
    one pass, which is what it needs if nothing is computed twice.
    """
    passes = {"train": 3, "log_prob": 1, "sample": 1}.get(work.step)
    if architecture.kind == "planar" or passes is None:
        return None
    d = architecture.features
    given, moved = (d, d) if architecture.kind.endswith("autoregressive") else (d // 2, d - d // 2)
    count = 3 * architecture.bins - 1 if architecture.kind.startswith("RQ") else 2
    widths = [given, *architecture.hidden, moved * count]
    macs = sum(a * b for a, b in itertools.pairwise(widths)) * architecture.layers
    return 2.0 * macs * work.rows * passes


def gemm_rate(device: str) -> float:
    """Floating-point operations a second of a large float32 matrix product."""
    size = GEMM[device]
    a = torch.randn(size, size, device=device)
    times = []
    for _ in range(12):
        start = time.perf_counter()
        _ = a @ a
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return 2 * size**3 / statistics.median(times[2:])
