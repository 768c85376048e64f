"""What test_processes.py runs, on one process and through torchrun on two."""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
import torch.distributed as dist

import diffeo
from diffeo.bases import StandardNormal
from diffeo.objectives import negative_log_likelihood
from diffeo.training import loop
from diffeo.transforms import ActNorm, BatchNorm, Coupling, Sequential
from diffeo.univariates import Affine, RationalQuadraticSpline

# 217 rows to train on: batches of 54 end in one of a single row, which one process goes without
ROWS = np.random.default_rng(0).normal(size=(241, 3)) @ np.triu(np.ones((3, 3))) + 1
CONTEXT = np.random.default_rng(1).normal(size=(241, 2))
WEIGHT = np.arange(1.0, 242.0)
OPTIONS = {"epochs": 4, "batch_size": 54, "progress": False, "lr": 0.02}
RANK = int(os.environ.get("RANK", 0))


def coupling(univariate: Any = None, **options: Any) -> Coupling:
    return Coupling(3, univariate or Affine(), hidden=(8,), **options)


def plain(seed: int = RANK, middle: Any = ActNorm, **options: Any) -> diffeo.Flow:
    """Every process has other weights at first."""
    torch.manual_seed(seed)
    first, second = coupling(), coupling(RationalQuadraticSpline(4), mask=[True, True, False])
    stack = Sequential(first, middle(3), second, **options)
    return diffeo.Flow(StandardNormal(3), stack).double()


def outcome(model: diffeo.Flow) -> dict[str, Any]:
    record = model.record
    return {
        "losses": [[e["train"], e["validation"]] for e in record["history"]],
        "stopped": record["stopped"],
        "best_epoch": record["best_epoch"],
        "rollbacks": record["rollbacks"],
        "weights": {n: t.double().tolist() for n, t in model.state_dict().items()},
    }


def fitted(model: diffeo.Flow, **options: Any) -> dict[str, Any]:
    return outcome(model.fit(ROWS, **{**OPTIONS, **options}))


class At:
    """The negative log-likelihood; before the k-th batch of training it calls ``act``."""

    def __init__(self, call: int, act: Any) -> None:
        self.left = call
        self.act = act

    def __call__(self, model: Any, x: Any, context: Any, weight: Any) -> torch.Tensor:
        self.left -= model.training
        loss = negative_log_likelihood(model, x, context, weight)
        return loss + (self.act() or 0.0) if self.left == 0 and model.training else loss


def raising(error: BaseException) -> Any:
    def act() -> None:
        raise error

    return act


def ended(error: type[BaseException], **options: Any) -> str:
    try:
        fitted(plain(), **options)
    except error as caught:
        return f"{type(caught).__name__}: {caught}"
    return "no error"


# -- what one and two processes do alike ---------------------------------------------------------


def with_context(_: Path) -> dict[str, Any]:
    model = diffeo.NSF(3, context=2, layers=2, hidden=(8,), bins=4, seed=RANK).double()
    return fitted(model, context=CONTEXT, sample_weight=WEIGHT, clip=0.5)


def unused(_: Path) -> dict[str, Any]:
    model = plain()
    # without a gradient it must not decay
    model.unused = torch.nn.Parameter(torch.ones(1, dtype=torch.float64))
    return fitted(model, optimizer=lambda p, lr: torch.optim.AdamW(p, lr=lr, weight_decay=0.1))


def stopping_early(_: Path) -> dict[str, Any]:
    return fitted(plain(), epochs=40, patience=2, lr=0.1, schedule="constant", ema=0.5)


def resumed(folder: Path) -> dict[str, Any]:
    # the process that goes without the batches of one row stops later, if the other one lets it
    stopping = At(12, raising(RuntimeError("stop")))
    with mock.patch.object(loop, "CHECKPOINT_SECONDS", 0.0):
        assert ended(RuntimeError, checkpoint=folder, objective=stopping) != "no error"
    return fitted(plain(7 + RANK), checkpoint=folder, objective=At(0, None))


def rolled_back(_: Path) -> dict[str, Any]:
    # in one process alone of two
    return fitted(plain(), objective=At(6, lambda: np.inf if RANK == 0 else 0.0))


ALIKE = {
    "plain": lambda _: fitted(plain()),
    "reversible": lambda _: fitted(plain(reversible=True)),
    "no validation": lambda _: fitted(plain(), validation=None, patience=None),
    "unused parameter": unused,
    "context and weights": with_context,
    "early stopping": stopping_early,
    "resumed": resumed,
    "rolled back": rolled_back,
}


# -- what two processes do -----------------------------------------------------------------------


def statistics(_: Path) -> dict[str, Any]:
    return fitted(plain(middle=BatchNorm), ema=0.5)


def draws(_: Path) -> list[float]:
    seen: list[float] = []

    def objective(model: Any, x: Any, context: Any, weight: Any) -> torch.Tensor:
        seen.append(float(torch.rand(())))
        return negative_log_likelihood(model, x, context, weight)

    fitted(plain(), objective=objective, epochs=1, batch_size=217)
    return seen


def interrupted(_: Path) -> str:
    act = raising(KeyboardInterrupt()) if RANK == 1 else None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = fitted(plain(), objective=At(8 if RANK == 1 else 0, act))
    assert any("interrupted in epoch 2" in str(w.message) for w in caught)
    return str(found["stopped"])


def called(_: Path) -> list[int]:
    epochs: list[int] = []
    fitted(plain(), on_epoch=lambda epoch, *_: epochs.append(epoch))
    return epochs


def own_group(_: Path) -> dict[str, Any]:
    dist.init_process_group("gloo")
    try:
        found = fitted(plain())
        assert dist.is_initialized()
    finally:
        dist.destroy_process_group()
    return found


TOGETHER = {
    "statistics": statistics,
    "draws": draws,
    "interrupted": interrupted,
    "max_time": lambda _: fitted(plain(), max_time=1e-9 if RANK == 1 else 1e9)["losses"],
    "called": called,
    "own group": own_group,
    "one fails": lambda _: ended(
        Exception, objective=At(7 if RANK == 1 else 0, raising(ValueError("no")))
    ),
    "one fails before": lambda _: ended(
        Exception, sample_weight=WEIGHT if RANK == 0 else WEIGHT[:-1]
    ),
    "one fails after": lambda _: ended(
        Exception, on_epoch=lambda epoch, *_: raising(OSError("full"))() if epoch == 4 else None
    ),
    "other rows": lambda _: ended(Exception, sample_weight=WEIGHT + 1000 * RANK),
    "other options": lambda _: ended(Exception, batch_size=54 + RANK),
}


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    found = {}
    for name, run in {**ALIKE, **TOGETHER}.items():
        found[name] = run(folder / name.replace(" ", "_"))
        assert not dist.is_initialized()
    (folder / f"{RANK}.json").write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
