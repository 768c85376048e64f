"""What a user can ask of ``fit``."""

from __future__ import annotations

import functools
import math
import operator
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

__all__ = ["FitOptions", "Objective", "OnEpoch", "Schedule"]

# objective(model, x, context, weight) -> scalar
Objective = Callable[[Any, Tensor, Tensor | None, Tensor | None], Tensor]
# on_epoch(epoch, training loss, validation loss or None)
OnEpoch = Callable[[int, float, float | None], None]
# schedule(progress in [0, 1]) -> factor of the learning rate
Schedule = Literal["cosine", "constant"] | Callable[[float], float]


@dataclass(frozen=True)
class FitOptions:
    """Options of ``Model.fit``, which documents them."""

    epochs: int
    patience: int | None
    batch_size: int
    lr: float
    seed: int
    device: str | torch.device | None
    objective: Objective
    optimizer: Callable[..., torch.optim.Optimizer]
    schedule: Schedule
    clip: float | None
    ema: float | None
    standardize: bool
    checkpoint: str | os.PathLike[str] | None
    max_time: float | None
    compile: bool | Literal["auto"]
    precision: Literal["bfloat16"] | None
    progress: bool
    on_epoch: OnEpoch | None = None

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "seed", "patience"):
            self._convert(name, operator.index, "a whole number")
        for name in ("lr", "clip", "ema", "max_time"):
            self._convert(name, float, "a number")
        rules = {
            "epochs": (self.epochs >= 1, "a whole number >= 1"),
            "patience": (self.patience is None or self.patience >= 1, "None or >= 1"),
            "batch_size": (self.batch_size >= 1, "a whole number >= 1"),
            "lr": (self.lr > 0 and math.isfinite(self.lr), "positive"),
            "clip": (self.clip is None or self.clip > 0, "None or positive"),
            "ema": (self.ema is None or 0 < self.ema < 1, "None or between 0 and 1"),
            "max_time": (self.max_time is None or self.max_time > 0, "None or positive seconds"),
            "compile": (self.compile in (True, False, "auto"), "True, False or 'auto'"),
            "precision": (self.precision in (None, "bfloat16"), "None or 'bfloat16'"),
            "objective": (callable(self.objective), "a function (model, x, context, weight)"),
            "optimizer": (callable(self.optimizer), "called as optimizer(parameters, lr=lr)"),
            "on_epoch": (
                self.on_epoch is None or callable(self.on_epoch),
                "None or a function (epoch, training loss, validation loss)",
            ),
            "schedule": (
                callable(self.schedule) or self.schedule in ("cosine", "constant"),
                "'cosine', 'constant' or a function of the progress in [0, 1]",
            ),
        }
        for name, (valid, expected) in rules.items():
            if not valid:
                raise ValueError(f"fit: {name} must be {expected}, got {getattr(self, name)!r}")

    def _convert(self, name: str, to: Callable[[Any], Any], expected: str) -> None:
        """numpy's numbers become Python's, which a file can hold."""
        value = getattr(self, name)
        if value is None and name in ("patience", "clip", "ema", "max_time"):
            return
        try:
            object.__setattr__(self, name, to(value))
        except (TypeError, ValueError) as error:
            raise ValueError(f"fit: {name} must be {expected}, got {value!r}") from error

    def lr_at(self, progress: float) -> float:
        """The learning rate when the share ``progress`` of all steps is done."""
        if callable(self.schedule):
            return self.lr * self.schedule(progress)
        if self.schedule == "constant":
            return self.lr
        return self.lr * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))

    def summary(self) -> dict[str, Any]:
        """The options that decide the result, as JSON."""
        named = {"objective", "optimizer", "schedule"}
        skipped = {"checkpoint", "max_time", "progress", "device", "on_epoch"}
        return {
            name: _name(value) if name in named else value
            for name, value in vars(self).items()
            if name not in skipped
        }


def _name(value: Any) -> str:
    if isinstance(value, functools.partial):
        given = [repr(a) for a in value.args] + [f"{k}={v!r}" for k, v in value.keywords.items()]
        return f"{_name(value.func)}({', '.join(given)})"
    return value if isinstance(value, str) else getattr(value, "__qualname__", type(value).__name__)
