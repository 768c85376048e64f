"""A search of settings by Optuna, which goes on where it stopped; needs ``diffeo[tune]``."""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from diffeo.errors import TrainingError, import_extra

__all__ = ["Choices", "Integers", "Reals", "Search", "Space", "Trial", "search"]

Report = Callable[[int, float], None]
Objective = Callable[[dict[str, Any], Report], float]


@dataclass(frozen=True)
class Integers:
    """Whole numbers from ``low`` to ``high``, searched on a log scale where ``log``."""

    low: int
    high: int
    log: bool = False

    def suggest(self, trial: Any, name: str) -> int:
        """A value for an Optuna trial."""
        return int(trial.suggest_int(name, self.low, self.high, log=self.log))


@dataclass(frozen=True)
class Reals:
    """Numbers from ``low`` to ``high``, searched on a log scale where ``log``."""

    low: float
    high: float
    log: bool = False

    def suggest(self, trial: Any, name: str) -> float:
        """A value for an Optuna trial."""
        return float(trial.suggest_float(name, self.low, self.high, log=self.log))


@dataclass(frozen=True)
class Choices:
    """One of some values without an order."""

    values: tuple[str | int | float, ...]

    def suggest(self, trial: Any, name: str) -> str | int | float:
        """A value for an Optuna trial."""
        found: str | int | float = trial.suggest_categorical(name, list(self.values))
        return found


Space = Mapping[str, Choices | Integers | Reals]


@dataclass(frozen=True)
class Trial:
    """One setting that was tried.

    Attributes:
        number: in the study, from 0.
        values: the setting.
        value: what the objective returned; None for a trial that was stopped early.
        curve: what the objective reported, by step.
        seconds: the trial took.
    """

    number: int
    values: dict[str, Any]
    value: float | None
    curve: dict[int, float]
    seconds: float


@dataclass(frozen=True)
class Search:
    """The trials of a study in the order in which they began."""

    trials: list[Trial]

    @property
    def best(self) -> Trial:
        """The trial of the smallest value.

        Raises:
            ValueError: every trial was stopped early.
        """
        finished = [trial for trial in self.trials if trial.value is not None]
        if not finished:
            raise ValueError(
                f"none of {len(self.trials)} trials came to an end with a finite value; "
                f"search other ranges"
            )
        return min(finished, key=lambda trial: trial.value or 0.0)


def search(
    objective: Objective,
    space: Space,
    *,
    trials: int,
    name: str,
    storage: str | os.PathLike[str] | None = "search.db",
    seed: int = 0,
    warmup: int = 0,
    first: Mapping[str, Any] | None = None,
    max_time: float | None = None,
    done: Callable[[Trial], None] | None = None,
) -> Search:
    """Minimise an objective over settings by a tree-structured Parzen estimator.

    A trial whose reported values are worse than the median of the earlier ones at the same step is
    stopped. The study is kept after every trial: the same call after an interruption goes on, and
    calls in several processes or on several machines with one storage share the trials.

    Args:
        objective: called with a setting and ``report(step, value)``, which it calls as it goes and
            which ends the trial where that is hopeless; returns the value to minimise. NaN, an
            infinity or a ``TrainingError`` count as a trial that was stopped.
        space: for each name the range of its values.
        trials: to have in the study in all, earlier calls and other machines included.
        name: of the study; a storage holds many.
        storage: path of an SQLite file, made where there is none, or any URL that Optuna takes,
            such as "postgresql://user@host/db" or "mysql://user@host/db"; None keeps it in memory.
        seed: of the proposals; a trial has its own from this and its number.
        warmup: reported steps below which no trial is stopped.
        first: the setting that a new study tries first.
        max_time: seconds after which no other trial begins.
        done: called with every trial that this call has finished.

    Raises:
        MissingExtraError: Optuna is not installed.
        ValueError: an empty range, fewer than one trial, a storage that cannot be used, or a study
            of this name over another space.

    Reference: "Optuna: A Next-generation Hyperparameter Optimization Framework", Akiba, Sano,
    Yanase, Ohta, Koyama, 2019, arXiv:1907.10902.

    Example:
        >>> from diffeo.inference.search import Reals, search
        >>> def parabola(setting, report):
        ...     return (setting["x"] - 1) ** 2
        >>> found = search(parabola, {"x": Reals(-5, 5)}, trials=20, name="parabola")
        >>> abs(found.best.values["x"] - 1) < 1
        True
    """
    _check(space, trials)
    optuna = import_extra("optuna", "tune")
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = _study(optuna, name, storage, space, warmup)
        if first is not None and not study.get_trials(deepcopy=False):
            study.enqueue_trial(dict(first))
        start = time.monotonic()
        while len(_finished(study)) < trials:
            if max_time is not None and time.monotonic() - start >= max_time:
                break
            made = _try(optuna, study, objective, space, seed)
            if done is not None:
                done(made)
        return Search([_trial(frozen) for frozen in _finished(study)])
    finally:
        optuna.logging.set_verbosity(level)


def _check(space: Space, trials: int) -> None:
    if trials < 1:
        raise ValueError(f"trials must be at least 1, got {trials}")
    if not space:
        raise ValueError("space names no setting to search")
    for name, values in space.items():
        if isinstance(values, Choices):
            if not values.values:
                raise ValueError(f"{name!r} has no values to choose from")
            continue
        if not values.low < values.high or (values.log and values.low <= 0):
            positive = " and above 0, for a log scale" if values.log else ""
            raise ValueError(f"the range of {name!r} must have low < high{positive}, got {values}")


def _study(
    optuna: Any, name: str, storage: str | os.PathLike[str] | None, space: Space, warmup: int
) -> Any:
    pruner = optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=warmup)
    url = None if storage is None else _url(storage)
    try:
        study = optuna.create_study(
            storage=url, study_name=name, pruner=pruner, direction="minimize", load_if_exists=True
        )
    except Exception as error:
        # the driver of each kind of storage has errors of its own
        reason = str(error).partition("\n")[0]
        raise ValueError(
            f"trials cannot be kept in {_without_password(str(storage))}: "
            f"{type(error).__name__}: {_without_password(reason)}"
        ) from error
    described = {key: repr(values) for key, values in space.items()}
    known = study.user_attrs.get("space")
    if known is None:
        study.set_user_attr("space", described)
    elif known != described:
        raise ValueError(
            f"{_without_password(str(storage))} holds a study {name!r} over another space, "
            f"{known}; give another storage or another name"
        )
    return study


def _url(storage: str | os.PathLike[str]) -> str:
    text = os.fspath(storage)
    return text if "://" in text else f"sqlite:///{Path(text).resolve().as_posix()}"


def _without_password(text: str) -> str:
    return re.sub(r"(://[^:/@\s]*):[^@/\s]*@", r"\1:***@", text)


def _finished(study: Any) -> list[Any]:
    """Trials that ran to an end or were stopped early, not those interrupted or running."""
    return [t for t in study.get_trials(deepcopy=False) if t.state.name in ("COMPLETE", "PRUNED")]


def _try(optuna: Any, study: Any, objective: Objective, space: Space, seed: int) -> Trial:
    trial = study.ask()
    states = optuna.trial.TrialState
    # a sampler seeded once would propose after an interruption what it proposed at first
    own = int(np.random.SeedSequence([seed, trial.number]).generate_state(1)[0])
    study.sampler = optuna.samplers.TPESampler(seed=own)
    setting = {name: values.suggest(trial, name) for name, values in space.items()}

    def report(step: int, value: float) -> None:
        trial.report(value, step)
        if trial.should_prune():
            raise optuna.TrialPruned

    try:
        value = float(objective(setting, report))
    except (optuna.TrialPruned, TrainingError):
        value = math.nan
    except BaseException:
        study.tell(trial, state=states.FAIL)
        raise
    if math.isfinite(value):
        return _trial(study.tell(trial, value))
    return _trial(study.tell(trial, state=states.PRUNED))


def _trial(frozen: Any) -> Trial:
    complete = frozen.state.name == "COMPLETE"
    return Trial(
        frozen.number,
        dict(frozen.params),
        float(frozen.value) if complete else None,
        dict(frozen.intermediate_values),
        frozen.duration.total_seconds(),
    )
