"""What the page is drawn from: plain arrays and frames, whatever made them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from diffeo.errors import DataError, ShapeError

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Anomalies", "Array", "ColumnLike", "ReportColumn", "ReportContent"]

Array = np.ndarray[Any, Any]


class ColumnLike(Protocol):
    """What the page reads of a column."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def levels(self) -> tuple[Any, ...]: ...
    @property
    def step(self) -> float: ...
    @property
    def offset(self) -> float: ...
    @property
    def atoms(self) -> tuple[float, ...]: ...


@dataclass(frozen=True)
class ReportColumn:
    """A column of the model.

    Attributes:
        name: in the frames.
        kind: "real", "positive", "integer", "categorical", "datetime", ...
        levels: the labels of a column that has few values; empty for any other.
        step: > 0 where values lie on ``offset + k * step``.
        offset: of that lattice.
        atoms: single values that carry mass inside a column of numbers.
    """

    name: str
    kind: str = "real"
    levels: tuple[Any, ...] = ()
    step: float = 0.0
    offset: float = 0.0
    atoms: tuple[float, ...] = ()


@dataclass(frozen=True)
class Anomalies:
    """The rows that the model finds most surprising, the worst first.

    Attributes:
        rows: (n, columns), the rows; the index says where they stand in the data.
        scores: (n,), larger for more anomalous.
        p_values: (n,), or None.
        contributions: (n, columns), nats that each column adds to the surprise of the row beyond
            what is usual for the column, larger for more; or None.
    """

    rows: DataFrame
    scores: Array
    p_values: Array | None = None
    contributions: DataFrame | None = None


@dataclass(frozen=True)
class ReportContent:
    """Everything the page may show; a section whose data are absent is left out.

    Attributes:
        title: of the page.
        columns: of the model; only these are compared.
        summary: what the model is, as pairs of label and value.
        made: how it was made (versions, seed, command), as pairs of label and value.
        warnings: in words; they come first on the page.
        history: of the training, one mapping an epoch: ``epoch``, ``train`` and ``validation``
            (losses).
        loss_unit: of these.
        log_prob: log-densities (rows,) in nats of the same held-out rows under each model by name,
            this model's first.
        data: rows to judge the model by, best those it was not fitted to.
        samples: rows drawn from the model, with the columns of ``data``.
        training: rows it was fitted to, for the distance to the closest record.
        held_out: whether ``data`` were kept from the fit; the page says it if they were not.
        pit: (rows, columns), the probability integral transform of the cells of ``data``
            (randomised where a value has mass), NaN where a cell is missing. Without it, the page
            ranks the data among the samples.
        anomalies: the most anomalous rows.
        seed: of the subsamples and of the cross-validation.
    """

    title: str
    columns: Sequence[ColumnLike] = ()
    summary: Sequence[tuple[str, str]] = ()
    made: Sequence[tuple[str, str]] = ()
    warnings: Sequence[str] = ()
    history: Sequence[Mapping[str, Any]] = ()
    loss_unit: str = "nats a row"
    log_prob: Mapping[str, Array] = field(default_factory=dict)
    data: DataFrame | None = None
    samples: DataFrame | None = None
    training: DataFrame | None = None
    held_out: bool = True
    pit: Array | None = None
    anomalies: Anomalies | None = None
    seed: int = 0

    def check(self) -> None:
        """Raise unless the parts fit together.

        Raises:
            DataError: a frame without rows, or without one of the columns; names twice.
            ShapeError: arrays of different lengths.
        """
        names = [column.name for column in self.columns]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise DataError(f"columns must have different names, but {min(twice)!r} is there twice")
        frames = {"data": self.data, "samples": self.samples, "training": self.training}
        for what, frame in frames.items():
            if frame is not None:
                _check_frame(what, frame, names)
        _check_log_prob(self.log_prob)
        _check_pit(self.pit, self.data, len(names))
        if self.anomalies is not None:
            _check_anomalies(self.anomalies)


def _check_frame(what: str, frame: DataFrame, names: list[str]) -> None:
    absent = [name for name in names if name not in frame.columns]
    if absent:
        raise DataError(
            f"{what} has no column {absent[0]!r}; it has {', '.join(map(str, frame.columns[:8]))}"
        )
    twice = frame.columns[frame.columns.duplicated()].intersection(names)
    if len(twice):
        raise DataError(f"{what} has the column {twice[0]!r} twice; rename one")
    if not len(frame):
        raise DataError(f"{what} has no rows; leave it out to leave out what is drawn from it")


def _check_log_prob(log_prob: Mapping[str, Array]) -> None:
    shapes = {name: np.shape(values) for name, values in log_prob.items()}
    if len(set(shapes.values())) > 1 or any(len(shape) != 1 for shape in shapes.values()):
        raise ShapeError(
            f"log_prob must hold (rows,) of the same rows for each model, got {shapes}"
        )
    for name, values in log_prob.items():
        if not len(values) or np.isnan(values).any():
            raise DataError(
                f"log_prob of {name!r} must be numbers of at least one row, without NaN"
            )
        if np.isposinf(values).any():
            row = int(np.isposinf(values).argmax())
            raise DataError(f"log_prob of {name!r} is infinite in row {row}: the density diverges")


def _check_pit(pit: Array | None, data: DataFrame | None, width: int) -> None:
    if pit is None:
        return
    rows = len(pit) if data is None else len(data)
    if np.shape(pit) != (rows, width):
        raise ShapeError(f"pit must have shape ({rows}, {width}), got {np.shape(pit)}")
    seen = pit[~np.isnan(pit)]
    if len(seen) and not (seen.min() >= 0 and seen.max() <= 1):
        raise DataError(f"pit must lie in [0, 1], got {seen.min():g} to {seen.max():g}")


def _check_anomalies(anomalies: Anomalies) -> None:
    rows = len(anomalies.rows)
    for what in ("scores", "p_values", "contributions"):
        values = getattr(anomalies, what)
        if values is not None and len(values) != rows:
            raise ShapeError(f"anomalies: {rows} rows, but {len(values)} of {what}")
