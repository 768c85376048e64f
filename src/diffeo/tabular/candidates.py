"""Families of models that a search may choose among, all fitted and scored alike."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from diffeo.errors import DataError
from diffeo.tabular.continuous import fit_continuous
from diffeo.tabular.defaults import default_width, fit_options
from diffeo.tabular.plain import not_plain
from diffeo.tabular.plan import Plan
from diffeo.tabular.table_flow import TableFlow
from diffeo.tabular.typed import TypedColumns

if TYPE_CHECKING:
    import pandas as pd

    from diffeo.arrays import Floats
    from diffeo.model import Model

__all__ = ["Candidate", "candidate"]

# what Model.fit takes by default
EPOCHS = 200
# share of a fit that is done, and the mean of -log p of the validation rows so far
Report = Callable[[float, float], None]


class Candidate(ABC):
    """One family.

    Args:
        name: of the family.
        typed: the columns.
        seed: of weights and training.
        options: arguments of ``Model.fit`` that are the same in every trial.
    """

    def __init__(
        self, name: str, typed: TypedColumns, seed: int, options: Mapping[str, Any]
    ) -> None:
        self.name, self.typed, self.seed = name, typed, seed
        self.options = dict(options)

    @abstractmethod
    def default(self, rows: int) -> dict[str, Any]:
        """The setting (width, layers, lr, batch_size) that a fit of so many rows has by default."""

    @abstractmethod
    def fit(
        self,
        setting: Mapping[str, Any],
        train: pd.DataFrame,
        validation: pd.DataFrame | None = None,
        *,
        max_time: float | None = None,
        report: Report | None = None,
    ) -> Model:
        """A model of this setting; without validation rows it holds out some of its own."""

    def log_prob(self, model: Model, frame: pd.DataFrame) -> Floats:
        """(rows,) float64, in the units of the table."""
        x = frame if isinstance(model, TableFlow) else _numbers(frame)
        return np.asarray(model.log_prob(x), dtype=np.float64)

    def _fit_arguments(
        self,
        setting: Mapping[str, Any],
        epochs: int,
        max_time: float | None,
        report: Report | None,
    ) -> dict[str, Any]:
        """Arguments of ``Model.fit``."""

        def on_epoch(epoch: int, _: float, loss: float | None) -> None:
            if report is not None and loss is not None:
                report(epoch / epochs, loss)

        return {
            **self.options,
            "epochs": epochs,
            "lr": setting["lr"],
            "batch_size": setting["batch_size"],
            "seed": self.seed,
            "max_time": max_time,
            "on_epoch": on_epoch,
        }


class _Table(Candidate):
    """A TableFlow."""

    def default(self, rows: int) -> dict[str, Any]:
        rule = fit_options(rows, {})
        return {
            "width": default_width(rows),
            "layers": 2,
            "lr": rule["lr"],
            "batch_size": rule["batch_size"],
        }

    def fit(
        self,
        setting: Mapping[str, Any],
        train: pd.DataFrame,
        validation: pd.DataFrame | None = None,
        *,
        max_time: float | None = None,
        report: Report | None = None,
    ) -> Model:
        given = {**self.options, "batch_size": setting["batch_size"]}
        epochs = fit_options(len(train), given)["epochs"]
        # the loss is measured in coordinates
        off = 0.0 if validation is None else -float(self.typed.encode(validation)[1].sum(1).mean())
        arguments = self._fit_arguments(setting, epochs, max_time, _shifted(report, off))
        if validation is not None:
            arguments["validation"] = validation
        flow = TableFlow(
            self.typed, width=setting["width"], blocks=setting["layers"], seed=self.seed
        )
        return flow.fit(train, **arguments)


class _Single(Candidate):
    """A named flow."""

    def default(self, rows: int) -> dict[str, Any]:
        return {"width": 128, "layers": 6, "lr": 1e-3, "batch_size": 256}

    def fit(
        self,
        setting: Mapping[str, Any],
        train: pd.DataFrame,
        validation: pd.DataFrame | None = None,
        *,
        max_time: float | None = None,
        report: Report | None = None,
    ) -> Model:
        from diffeo.models.names import model_class

        epochs = self.options.get("epochs", EPOCHS)
        arguments = self._fit_arguments(setting, epochs, max_time, report)
        if validation is not None:
            arguments["validation"] = _numbers(validation)
        build = model_class(self.name)
        sizes = {"layers": setting["layers"], "hidden": [setting["width"]] * 2}
        # a continuous flow has no layers to count
        taken = {k: v for k, v in sizes.items() if k in inspect.signature(build).parameters}
        flow: Model = build(train.shape[1], seed=self.seed, **taken)
        return flow.fit(train.astype("float64"), **arguments)


class _Average(Candidate):
    """The average of flows; its members hold out rows of their own, so nothing is reported."""

    def default(self, rows: int) -> dict[str, Any]:
        plan = Plan.of(rows)
        return {
            "width": plan.hidden[0],
            "layers": plan.layers,
            "lr": plan.lr,
            "batch_size": plan.batch_size,
        }

    def fit(
        self,
        setting: Mapping[str, Any],
        train: pd.DataFrame,
        validation: pd.DataFrame | None = None,
        *,
        max_time: float | None = None,
        report: Report | None = None,
    ) -> Model:
        given = {k: self.options[k] for k in ("epochs", "patience") if k in self.options}
        plan = Plan.of(*train.shape)
        plan = replace(
            plan,
            hidden=(setting["width"],) * len(plan.hidden),
            layers=setting["layers"],
            lr=setting["lr"],
            batch_size=setting["batch_size"],
            max_time=max_time,
            **given,
        )
        return fit_continuous(
            torch.from_numpy(_numbers(train)), plan=plan, seed=self.seed, names=list(train.columns)
        )


def _shifted(report: Report | None, off: float) -> Report | None:
    return None if report is None else lambda done, loss: report(done, loss + off)


def _numbers(frame: pd.DataFrame) -> Floats:
    return frame.to_numpy(dtype="float64", copy=True)


def candidate(name: str, typed: TypedColumns, seed: int, options: Mapping[str, Any]) -> Candidate:
    """The family of that name: "table", "continuous" or a flow's.

    Raises:
        UnknownModelError: no such flow.
        DataError: a family of continuous numbers for columns of other types.
    """
    from diffeo.models.names import model_class

    if name == "table":
        return _Table(name, typed, seed, options)
    if name != "continuous":
        model_class(name)
    for column, why in not_plain(typed.schema).items():
        raise DataError(
            f"the model {name!r} takes continuous numbers alone, and column {column!r} {why}; "
            f"search the model 'table'"
        )
    return (_Average if name == "continuous" else _Single)(name, typed, seed, options)
