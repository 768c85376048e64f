"""From what a user hands to ``fit`` to tensors that are safe to train on."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from numbers import Real as RealNumber
from typing import Any

import torch
from torch import Tensor

from diffeo.arrays import ArrayLike, column_names, default_names, in_order, to_tensor
from diffeo.checks import check_context, check_event
from diffeo.density import Density
from diffeo.errors import ContextError, DataError, DiffeoError
from diffeo.supports import Support, parts_of
from diffeo.supports.discrete import discrete_columns
from diffeo.training.seeds import generator
from diffeo.training.ties import find_resolutions

__all__ = ["Rows", "TrainingData", "prepare", "split_rows"]

# the least standard deviation of a column, in rounding steps of its largest value
LEAST_SPREAD = 32


@dataclass(frozen=True)
class Rows:
    """Events, their contexts and their weights, one row each."""

    x: Tensor
    context: Tensor | None = None
    weight: Tensor | None = None

    def __len__(self) -> int:
        return len(self.x)

    def take(self, index: Tensor | slice) -> Rows:
        """The rows at ``index``."""
        return Rows(*(None if t is None else t[index] for t in vars(self).values()))  # type: ignore[arg-type]

    def to(self, device: torch.device) -> Rows:
        """The rows on ``device``."""
        return Rows(*(None if t is None else t.to(device) for t in vars(self).values()))  # type: ignore[arg-type]

    @property
    def size(self) -> int:
        """Bytes of all of them."""
        return sum(t.nbytes for t in vars(self).values() if t is not None)


@dataclass(frozen=True)
class TrainingData:
    """Checked rows to train and to validate on, and what is known of their columns."""

    train: Rows
    validation: Rows | None
    columns: list[str]
    context_columns: list[str]
    resolutions: Tensor

    def summary(self) -> dict[str, Any]:
        """Rows, columns and per-column statistics, as JSON."""
        x = self.train.x.double()
        statistics = {}
        if x.ndim == 2:
            for i, name in enumerate(self.columns):
                column = x[:, i]
                column = column[~column.isnan()]
                if len(column) < 2:
                    continue
                statistics[name] = {
                    "min": column.min().item(),
                    "mean": column.mean().item(),
                    "max": column.max().item(),
                    "sd": column.std().item(),
                    "resolution": self.resolutions[i].item(),
                }
        return {
            "rows": len(self.train),
            "validation_rows": 0 if self.validation is None else len(self.validation),
            "columns": self.columns,
            "context_columns": self.context_columns,
            "statistics": statistics,
        }


def prepare(
    model: Density,
    x: ArrayLike,
    context: ArrayLike | None,
    weight: ArrayLike | None,
    validation: Any,
    seed: int,
) -> TrainingData:
    """Check and split the data of ``fit``.

    Raises:
        DataError, ShapeError, ContextError: naming row and column of the first bad value.
    """
    rows = _rows(model, x, context, weight)
    columns = _names(x, rows.x, "x")
    context_columns = [] if rows.context is None else _names(context, rows.context, "c")
    _check_values(model, rows, columns, context_columns)
    if rows.weight is not None:
        rows = rows.take(rows.weight > 0)
    discrete = discrete_columns(model.support, rows.x.shape[-1])
    if rows.x.ndim == 2 and not model.typed_columns:
        # what the support itself holds constant needs no density; discrete values may repeat
        skipped = {*model.support.fixed, *discrete.nonzero()[:, 0].tolist()}
        free = [i for i in range(len(columns)) if i not in skipped]
        check_columns(rows.x[:, free], [columns[i] for i in free])
    train, held_out = _split(model, rows, validation, seed, columns, context_columns)
    # of images and sequences, a few events are many numbers, or symbols
    needed = 2
    if rows.x.ndim == 2:
        needed = 5 if bool(discrete.all()) else max(10, 2 * model.event_shape[-1])
    if len(train) < needed:
        raise DataError(
            f"{len(rows)} rows leave {len(train)} to train on, but {columns_text(columns)} "
            f"need at least {needed}"
        )
    resolutions = train.x.new_zeros(train.x.shape[1:])
    if train.x.ndim == 2 and not model.typed_columns:
        resolutions = find_resolutions(train.x).masked_fill(discrete, 0.0)
    return TrainingData(
        _with_mean_weight_one(train),
        None if held_out is None else _with_mean_weight_one(held_out),
        columns,
        context_columns,
        resolutions,
    )


def _names(given: ArrayLike, tensor: Tensor, letter: str) -> list[str]:
    names = column_names(given) or default_names(tensor.shape[-1], letter)
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise DataError(f"several columns are called {repeated[0]!r}; give each its own name")
    return names


def _rows(
    model: Density, x: ArrayLike, context: ArrayLike | None, weight: ArrayLike | None
) -> Rows:
    like = model.like.cpu()
    events = to_tensor(x, like, "X", cast=True)
    check_event(model, events, model.event_shape)
    if events.ndim != len(model.event_shape) + 1:
        raise DataError(f"X must have shape (rows, features), got {tuple(events.shape)}")
    contexts = None
    check_context(model, None if context is None else torch.empty(model.context), model.context)
    if context is not None:
        if model.context == 0:
            raise ContextError(
                f"context was given, but this {type(model).__name__} is not conditional; "
                f"build it with context=<number of context columns>"
            )
        contexts = to_tensor(context, like, "context", cast=True)
        check_context(model, contexts, model.context)
        if contexts.shape != (len(events), model.context):
            raise ContextError(
                f"context must have shape {(len(events), model.context)}, one row for each of X, "
                f"got {tuple(contexts.shape)}"
            )
    if weight is None:
        return Rows(events, contexts)
    weights = to_tensor(weight, like.double(), "sample_weight", cast=True)
    return Rows(events, contexts, _checked_weight(weights, events))


def _checked_weight(weight: Tensor, x: Tensor) -> Tensor:
    if weight.shape != (len(x),):
        raise DataError(f"sample_weight must have shape {(len(x),)}, got {tuple(weight.shape)}")
    bad = ~weight.isfinite() | (weight < 0)
    if bad.any():
        row = int(bad.nonzero()[0])
        raise DataError(f"sample_weight must be finite and >= 0, row {row} has {weight[row]:g}")
    if not bool((weight > 0).any()):
        raise DataError("sample_weight is 0 everywhere")
    # only ratios count; so the sum cannot overflow
    return weight / weight.max()


def _with_mean_weight_one(rows: Rows) -> Rows:
    if rows.weight is None:
        return rows
    return Rows(rows.x, rows.context, (rows.weight / rows.weight.mean()).to(rows.x))


def _first_bad(bad: Tensor, columns: list[str]) -> tuple[str, tuple[int, ...]]:
    index = tuple(bad.nonzero()[0].tolist())
    where = f"row {index[0]}"
    if len(index) > 1:
        where += f", column {columns[index[-1]]!r}"
    return where, index


def _check_finite(x: Tensor, columns: list[str], name: str) -> None:
    bad = ~x.isfinite()
    if bad.any():
        where, index = _first_bad(bad, columns)
        others = int(bad.sum()) - 1
        raise DataError(
            f"{name} holds {x[index].item()} (as {x.dtype}) at {where}"
            + (f" (and {others} more such values)" if others else "")
            + "; drop or fill the rows that are not finite"
        )


def _check_values(
    model: Density, rows: Rows, columns: list[str], context_columns: list[str]
) -> None:
    check_events(model, rows.x, columns)
    if rows.context is not None:
        _check_finite(rows.context, context_columns, "context")


def check_events(model: Density, x: Tensor, columns: list[str]) -> None:
    """Raise unless every value is finite and lies in the model's support.

    Raises:
        DataError: naming row and column of the first bad value.
    """
    holes = x.isnan() if model.typed_columns else torch.zeros_like(x, dtype=torch.bool)
    _check_finite(x.masked_fill(holes, 0.0), columns, "X")
    # a value exactly on a bound would sit at infinity in the flow's space
    bad = ~(model.support.contains(x) | holes) | model.support.on_bound(x)
    if bad.any():
        where, index = _first_bad(bad, columns)
        raise DataError(
            f"X holds {x[index].item():g} at {where}, outside or on the bound of the support "
            f"{model.support!r} of the model{together(model.support, index, columns)}; "
            f"correct the value or widen supports="
        )


def together(support: Support, index: tuple[int, ...], columns: list[str]) -> str:
    """Of a bad value at ``index``, in words, which columns must fit together, and how."""
    start = 0
    for part in parts_of(support, len(columns)) if len(index) > 1 else ():
        if part.wanted and start <= index[-1] < start + part.columns:
            first, last = columns[start], columns[start + part.columns - 1]
            return f", in which the columns {first!r} to {last!r} are {part.wanted}"
        start += part.columns
    return ""


def check_columns(x: Tensor, columns: list[str]) -> None:
    """Raise on columns over which no density exists: constant ones and copies of one another.

    A column counts as constant where its spread is lost in the rounding of the dtype.

    Raises:
        DataError: naming the columns and the remedy.
    """
    if len(x) < 2 or not columns:
        return
    constant = [columns[i] for i in range(x.shape[1]) if bool((x[:, i] == x[0, i]).all())]
    if constant:
        raise DataError(
            f"constant columns (as {x.dtype}) have no density: {', '.join(constant)}; drop them "
            f"(keep the constant aside, it is known)"
        )
    _check_spread(x, columns)
    for i in range(x.shape[1]):
        for j in range(i):
            if torch.equal(x[:, i], x[:, j]):
                raise DataError(
                    f"columns {columns[j]!r} and {columns[i]!r} are identical, so they have no "
                    f"joint density; drop one of them"
                )


def _check_spread(x: Tensor, columns: list[str]) -> None:
    step = torch.finfo(x.dtype).eps * x.abs().amax(0).double()
    spread = x.double().std(0)
    for i, name in enumerate(columns):
        if spread[i] < LEAST_SPREAD * step[i]:
            raise DataError(
                f"column {name!r} varies by about {spread[i]:.3g}, which {x.dtype} hardly resolves "
                f"that far from 0 (steps of {step[i]:.3g}); subtract an offset from it, or train "
                f"in float64 with model.double()"
            )


def _split(
    model: Density,
    rows: Rows,
    validation: Any,
    seed: int,
    columns: list[str],
    context_columns: list[str],
) -> tuple[Rows, Rows | None]:
    share = float(validation) if isinstance(validation, RealNumber) else None
    if validation is None or share == 0:
        return rows, None
    if share is not None:
        first, second = split_rows(len(rows), share, seed)
        return rows.take(first), rows.take(second)
    given = validation if isinstance(validation, tuple) else (validation, None)
    if len(given) != 2:
        raise ValueError(f"fit: a validation tuple must be (X, context), got {len(given)} items")
    try:
        x, context = in_order(given[0], columns, "X"), given[1]
        if context is not None:
            context = in_order(context, context_columns, "context")
        held_out = _rows(model, x, context, None)
        _check_values(model, held_out, columns, context_columns)
    except DiffeoError as error:
        raise type(error)(f"in the validation rows: {error}") from error
    if not len(held_out):
        raise DataError("the validation rows are empty; pass validation=None for none")
    return rows, held_out


def split_rows(count: int, share: float, seed: int) -> tuple[Tensor, Tensor]:
    """Which of ``count`` rows are trained on, and which share of them is held out.

    Raises:
        ValueError: a share that is not between 0 and 1.
    """
    if not 0 < share < 1:
        raise ValueError(f"fit: validation must be a share in (0, 1), got {share!r}")
    order = torch.randperm(count, generator=generator(seed, "split"))
    held_out = max(1, round(count * share))
    return order[held_out:], order[:held_out]


def columns_text(columns: list[str]) -> str:
    """ "1 column" or "n columns"."""
    return "1 column" if len(columns) == 1 else f"{len(columns)} columns"
