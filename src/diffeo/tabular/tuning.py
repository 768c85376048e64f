"""A search for the model of a table that beats the default; needs ``diffeo[tune]``."""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from diffeo.errors import DataError, DataWarning, import_extra
from diffeo.inference.search import Choices, Integers, Reals, Search, Space, Trial, search
from diffeo.tabular.candidates import Candidate, candidate
from diffeo.tabular.columns import Schema, to_frame
from diffeo.tabular.plain import not_plain
from diffeo.tabular.typed import TypedColumns, typed_columns

if TYPE_CHECKING:
    import pandas as pd

    from diffeo.arrays import Floats
    from diffeo.model import Model

__all__ = ["Tuned", "tune"]

FEWEST_ROWS = 50
# shares of the rows that judge the winner, and that judge the trials
TEST, VALIDATION = 0.2, 0.15
# how often a trial may be stopped, and how often it is let go on whatever it says
REPORTS, WARMUP = 50, 10

_SPACE: Space = {
    "width": Integers(32, 256, log=True),
    "layers": Integers(1, 8),
    "lr": Reals(3e-4, 3e-2, log=True),
    "batch_size": Choices((64, 128, 256, 512, 1024)),
}


@dataclass(frozen=True)
class Tuned:
    """What a search has found.

    Attributes:
        model: the best setting, fitted to all rows.
        setting: the best setting.
        trials: all trials of the study.
        gain: by how much it beats the default, in nats a row, on rows that no trial has seen.
        gain_error: standard error of the gain.
        log_likelihood: its mean log-likelihood on these rows, in nats.
        rows: how many these are.
    """

    model: Model
    setting: dict[str, Any]
    trials: list[Trial]
    gain: float
    gain_error: float
    log_likelihood: float
    rows: int


def tune(
    data: Any,
    *,
    schema: Mapping[str, Any] | Schema | None = None,
    models: Sequence[str] | None = None,
    trials: int = 30,
    max_time: float | None = None,
    study: str | os.PathLike[str] | None = None,
    seed: int = 0,
    done: Callable[[Trial], None] | None = None,
    **options: Any,
) -> Tuned:
    """Search model family, width, layers, learning rate and batch size for one table.

    One fifth of the rows is set aside. Of the rest, a part is held out, and the trials minimise its
    mean of -log p; the first trial is the default, and trials that are worse than the median at the
    same share of their epochs are stopped. The best and the default are then compared on the rows
    that were set aside, and the best setting is fitted to all rows.

    Args:
        data: a table; see ``diffeo.tabular.columns.to_frame``.
        schema: what is known of its columns, as ``TableFlow`` takes it.
        models: families to choose among: "table", and, where all columns are continuous numbers,
            "continuous" and the names of flows. The first one's defaults are the default. None:
            ("continuous", "nsf", "maf", "table"), or "table" alone.
        trials: in the study in all, those of earlier calls included.
        max_time: seconds after which no other trial begins and the running one stops; the fit to
            all rows comes after.
        study: where the trials are kept, so that the same call goes on after an interruption and
            several processes or machines share them: path of an SQLite file, or a URL of Optuna.
            None keeps them in memory.
        seed: decides the split, proposals, weights and training.
        done: called with every trial that this call has finished.
        **options: arguments of ``Model.fit`` in every trial, such as epochs and patience.

    Raises:
        MissingExtraError: Optuna is not installed.
        DataError: a table that cannot be used, fewer than 50 rows, or a family that it rules out.
        UnknownModelError: no flow has that name.
        ValueError: fewer than one trial, a study that cannot be used, or no trial that came to an
            end.

    Reference: as ``diffeo.inference.search.search``.

    Example:
        >>> import numpy as np
        >>> from diffeo.tabular import tune
        >>> table = {"x": np.random.default_rng(0).normal(size=100), "y": ["a", "b"] * 50}
        >>> found = tune(table, trials=1, epochs=1)
        >>> found.gain  # the default is the first trial
        0.0
    """
    import_extra("optuna", "tune")
    tuning = _Tuning(to_frame(data), schema, models, seed, options, max_time)
    found = tuning.search(trials, study, done)
    return tuning.judged(found)


class _Tuning:
    """The rows of a table in three parts, and the models that are kept while others are tried."""

    def __init__(
        self,
        frame: pd.DataFrame,
        schema: Mapping[str, Any] | Schema | None,
        models: Sequence[str] | None,
        seed: int,
        options: Mapping[str, Any],
        max_time: float | None,
    ) -> None:
        if len(frame) < FEWEST_ROWS:
            raise DataError(f"a search needs at least {FEWEST_ROWS} rows, got {len(frame)}")
        self.seed, self.options, self.max_time = seed, dict(options), max_time
        self.start = time.monotonic()
        # of all rows, so that no part has values of which the others know nothing
        self.typed = typed_columns(frame, schema)
        self.frame = frame[[n for n in self.typed.schema.order if n in frame.columns]]
        names = _families(self.typed, models)
        self.candidates = {name: self._candidate(name) for name in names}
        order = np.random.default_rng([seed, 6]).permutation(len(frame))
        test, validation = round(TEST * len(frame)), round(VALIDATION * len(frame))
        self.test = self.frame.iloc[order[:test]]
        self.validation = self.frame.iloc[order[test : test + validation]]
        self.train = self.frame.iloc[order[test + validation :]]
        first = self.candidates[names[0]]
        self.default = {"model": names[0], **first.default(len(self.train))}
        # models by role, with their settings
        self.kept: dict[str, tuple[dict[str, Any], Model]] = {}
        self.best = math.inf

    def _candidate(self, name: str) -> Candidate:
        return candidate(name, self.typed, self.seed, {"progress": False, **self.options})

    def search(
        self,
        trials: int,
        study: str | os.PathLike[str] | None,
        done: Callable[[Trial], None] | None,
    ) -> Search:
        space = {"model": Choices(tuple(self.candidates)), **_SPACE}
        return search(
            self._objective,
            space,
            trials=trials,
            name=self._name(),
            storage=study,
            seed=self.seed,
            warmup=WARMUP,
            first=self.default,
            max_time=self.max_time,
            done=done,
        )

    def _name(self) -> str:
        """Of the study: trials on other rows or of other models are not comparable."""
        pandas = import_extra("pandas", "tabular")
        marks = json.dumps(
            [self.typed.schema.to_json(), list(self.candidates), self.options, self.seed],
            default=str,
        )
        digest = hashlib.sha256(marks.encode())
        rows = pandas.util.hash_pandas_object(self.frame.astype(str), index=False)
        digest.update(rows.to_numpy().tobytes())
        return f"table {digest.hexdigest()[:16]}"

    def _objective(self, setting: dict[str, Any], report: Callable[[int, float], None]) -> float:
        model, loss = self._tried(setting, report)
        if setting == self.default:
            self.kept["default"] = (setting, model)
        if loss < self.best:
            self.best, self.kept["best"] = loss, (setting, model)
        return loss

    def _tried(
        self, setting: dict[str, Any], report: Callable[[int, float], None] | None = None
    ) -> tuple[Model, float]:
        """A model of the setting, and the mean of -log p of the validation rows."""
        told = 0

        def tell(share: float, loss: float) -> None:
            nonlocal told
            step = int(share * REPORTS)
            if report is not None and step > told and share < 1:
                told = step
                report(step, loss)

        family = self.candidates[setting["model"]]
        with warnings.catch_warnings():
            # the same in every trial
            warnings.simplefilter("ignore", DataWarning)
            model = family.fit(
                setting, self.train, self.validation, max_time=self._left(), report=tell
            )
        if model.record["stopped"] == "interrupted":
            raise KeyboardInterrupt
        return model, -float(family.log_prob(model, self.validation).mean())

    def _left(self) -> float | None:
        if self.max_time is None:
            return None
        return max(1e-3, self.max_time - (time.monotonic() - self.start))

    def judged(self, found: Search) -> Tuned:
        """The winner beside the default on the rows set aside, and fitted to all rows."""
        setting = found.best.values
        best = self._scores("best", setting)
        gains = best - self._scores("default", self.default)
        if setting == self.default:
            gains = np.zeros_like(gains)
        model = self.candidates[setting["model"]].fit(setting, self.frame)
        if model.record["stopped"] == "interrupted":
            raise KeyboardInterrupt
        tuned = Tuned(
            model,
            setting,
            found.trials,
            float(gains.mean()),
            float(gains.std(ddof=1) / math.sqrt(len(gains))),
            float(best.mean()),
            len(gains),
        )
        model.record["tuning"] = {
            "setting": setting,
            "trials": len(found.trials),
            **{k: getattr(tuned, k) for k in ("gain", "gain_error", "log_likelihood", "rows")},
        }
        return tuned

    def _scores(self, name: str, setting: dict[str, Any]) -> Floats:
        """Of the rows set aside; a model that another call has tried is fitted again."""
        of, model = self.kept.get(name, (None, None))
        if model is None or of != setting:
            # the time for trials is over, but this one has to be
            self.max_time = None
            model, _ = self._tried(setting)
        return self.candidates[setting["model"]].log_prob(model, self.test)


def _families(typed: TypedColumns, models: Sequence[str] | None) -> list[str]:
    if models is not None:
        names = list(dict.fromkeys(name.lower() for name in models))
        if not names:
            raise ValueError("models names no family; give some, or None")
        return names
    return ["table"] if not_plain(typed.schema) else ["continuous", "nsf", "maf", "table"]
