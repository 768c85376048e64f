"""What is written down about a fit of several flows that are averaged."""

from __future__ import annotations

import platform
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from diffeo.training.data import Rows, TrainingData
from diffeo.training.ties import find_resolutions
from diffeo.version import __version__

if TYPE_CHECKING:
    from diffeo.flow import Flow
    from diffeo.tabular.plan import Plan

__all__ = ["record_of"]


def record_of(
    members: list[Flow],
    plan: Plan,
    seed: int,
    seconds: float,
    x: Tensor,
    names: list[str],
    held_out: Tensor,
) -> dict[str, Any]:
    """The record of the average.

    Args:
        members: the flows, each with the record of its own fit (in normal scores).
        plan: sizes.
        seed: of the fit.
        seconds: it took.
        x: all rows.
        names: of the columns.
        held_out: log-densities, in the units of ``x``, of rows by the flow that held them out,
            mixed with the copula: the average itself is likely better.
    """
    stops = [member.record["stopped"] for member in members] or ["epochs"]
    cut_short = [stop for stop in ("interrupted", "max_time") if stop in stops]
    data = TrainingData(Rows(x), None, names, [], find_resolutions(x)).summary()
    return {
        "data": data,
        "members": [member.record for member in members],
        "held_out": float(held_out.double().mean()) if len(held_out) else None,
        "options": {**asdict(plan), "hidden": list(plan.hidden), "seed": seed},
        "stopped": [*cut_short, *stops][0],
        "seconds": round(seconds, 3),
        "versions": {
            "diffeo": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    }
