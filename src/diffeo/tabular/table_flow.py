"""TableFlow: the density of a table as it is."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from diffeo.arrays import Floats
from diffeo.checks import check_count
from diffeo.density import SampleShape, Seed, as_generator
from diffeo.draw import Draw
from diffeo.errors import DataError, import_extra
from diffeo.model import Model
from diffeo.tabular.any_order import AnyOrderFlow
from diffeo.tabular.columns import Schema, to_frame
from diffeo.tabular.columns.numbers import first_bad
from diffeo.tabular.defaults import default_width, fit_options
from diffeo.tabular.filling import filled
from diffeo.tabular.record import in_units
from diffeo.tabular.typed import TypedColumns, typed_columns
from diffeo.training.data import split_rows

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TableFlow"]

Self = TypeVar("Self", bound="TableFlow")

# held-out rows whose surprise is kept, to compare others with
CALIBRATION_ROWS = 1000


class TableFlow(Model):
    """Density of a table of mixed columns, with holes.

    Real, positive, bounded and circular columns have densities with respect to length, discrete and
    rounded ones probabilities; ``log_prob`` is with respect to the product of the two measures.
    Columns that are constant or an exact function of others are left out of the density and given
    back in samples (``schema.derived``).

    Where values are missing, ``log_prob`` is that of the observed columns: a normalised density for
    each pattern of holes. Patterns agree with one another as far as training makes them agree:
    ``log_marginal`` estimates the marginal density of the model of complete rows, and what it
    differs by from ``log_prob`` is the gap.

    Args:
        schema: what is known better than can be seen in the data: a mapping from column names to
            kinds, such as ``{"age": "integer", "angle": ("circular", 0, 360)}``, or a whole
            ``Schema``; see ``diffeo.tabular.columns.infer_schema``. (A model file holds
            ``TypedColumns`` here.)
        width: units of each hidden layer; by default 128, and 256 for 1000 rows or more.
        blocks: residual blocks.
        components: of the mixture that is a number's conditional distribution.
        orders: number of column orders of which the density is the mean.
        seed: seed of the initial weights.

    Attributes:
        typed: the columns' types and coordinates; None before ``fit``.
        density: the AnyOrderFlow in these coordinates; None before ``fit``.

    Raises:
        TypeError: a schema of another kind.
        ValueError: a size that is not a whole number of at least 1.

    Reference: as ``diffeo.tabular.any_order.AnyOrderFlow``.

    Example:
        >>> import diffeo
        >>> table = {"age": [33, 41, 28, 52] * 10, "city": ["Bern", "Rome", None, "Rome"] * 10}
        >>> flow = diffeo.TableFlow(seed=0).fit(table, epochs=2, progress=False)
        >>> flow.log_prob({"age": [41], "city": ["Rome"]}).shape
        (1,)
        >>> flow.sample(2, given={"city": "Bern"}, seed=0).city.tolist()
        ['Bern', 'Bern']
    """

    has_rsample = False
    typed_columns = True

    def __init__(
        self,
        schema: Mapping[str, Any] | Schema | TypedColumns | None = None,
        *,
        width: int | None = None,
        blocks: int = 2,
        components: int = 8,
        orders: int = 4,
        seed: int | None = None,
    ) -> None:
        super().__init__((0,))
        if not isinstance(schema, Mapping | Schema | TypedColumns | None):
            raise TypeError(f"schema must be a mapping or a Schema, got {type(schema).__name__}")
        for name, size in (("width", width), ("components", components), ("orders", orders)):
            if size is not None:
                check_count(name, size)
        self._width = width
        self._sizes = {"blocks": blocks, "components": components, "orders": orders}
        self._seed = seed
        self._told = None if isinstance(schema, TypedColumns) else schema
        self.typed: TypedColumns | None = None
        self.density: AnyOrderFlow | None = None
        if isinstance(schema, TypedColumns):
            self._build(schema, rows=0)

    def _build(self, typed: TypedColumns, rows: int) -> None:
        self.typed = typed
        self._width = self._width or default_width(rows)
        density = AnyOrderFlow(typed.kinds, width=self._width, **self._sizes, seed=self._seed)
        self.density = density.to(self.like)
        self.event_shape = self.density.event_shape
        self.support = self.density.support

    def arguments(self) -> dict[str, Any]:
        told = self.typed if self.typed is not None else self._told
        return {"schema": told, "width": self._width, **self._sizes, "seed": self._seed}

    @property
    def schema(self) -> Schema:
        """The types of all columns.

        Raises:
            DataError: before ``fit``.
        """
        return self._fitted()[0].schema

    def _fitted(self) -> tuple[TypedColumns, AnyOrderFlow]:
        if self.typed is None or self.density is None:
            raise DataError("this TableFlow has no columns yet; call fit first")
        return self.typed, self.density

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write weights, types of columns and record to one .safetensors file, atomically.

        Raises:
            DataError: before ``fit``, with a whole ``Schema``.
            OSError: the file cannot be written; then nothing is left behind.
        """
        if isinstance(self._told, Schema):
            self._fitted()
        super().save(path)

    # -- fit -------------------------------------------------------------------------------------

    def fit(self: Self, X: Any, *, validation: Any = 0.1, seed: int = 0, **options: Any) -> Self:
        """Fit to a table, by maximum likelihood over random orders of its columns.

        The columns' types are inferred at the first call. Steps, batches and the learning rate
        follow from the number of rows unless they are given.

        Args:
            X: a pandas or polars frame, an Arrow table, a dict of columns, an array, or the path of
                a .csv, .parquet, .npy or .npz file.
            validation: share of the rows to hold out, or a table of its own, or None.
            seed: decides split, order, hidden columns and noise.
            **options: as in ``Model.fit``: epochs, patience, batch_size, lr, sample_weight,
                checkpoint, max_time, progress, ...

        Returns:
            The model itself.

        Raises:
            DataError: a table that cannot be used; column and row are named.
            As ``Model.fit``.

        Warns:
            DataWarning: columns that are left out, and why.
        """
        frame, options = _without_weightless(to_frame(X), options)
        if self.typed is None:
            self._build(typed_columns(frame, self._told), len(frame))
        typed, density = self._fitted()
        rows, slopes = self._possible_rows(frame, "X")
        typed.refuse_empty(rows)
        train, held_out = self._split(rows, slopes, validation, seed)
        given = validation if held_out is None or _is_share(validation) else held_out[0]
        density.fit(rows, validation=given, seed=seed, **fit_options(len(rows), options))
        of_held_out = None if held_out is None else float(held_out[1].mean())
        self.record = in_units(density.record, float(train.mean()), of_held_out)
        self.record["notes"] = list(typed.schema.notes)
        self.record["data"]["columns"] = typed.schema.names
        if held_out is not None:
            self.record["surprise"] = self._usual_surprise(held_out[0][:CALIBRATION_ROWS])
        return self.eval()

    def _split(
        self, rows: Floats, slopes: Floats, validation: Any, seed: int
    ) -> tuple[Floats, tuple[Floats, Floats] | None]:
        """Log-slopes of the rows to train on; coordinates and log-slopes of those held out."""
        if validation is None or (_is_share(validation) and not validation):
            return slopes, None
        if not _is_share(validation):
            return slopes, self._possible_rows(to_frame(validation), "validation")
        train, rest = (part.numpy() for part in split_rows(len(rows), validation, seed))
        return slopes[train], (rows[rest], slopes[rest])

    def _usual_surprise(self, held_out: Floats) -> dict[str, Any]:
        """What rows that were held out score, and what their columns add."""
        each = np.where(np.isnan(held_out), np.nan, -self._full_conditionals(held_out))
        each[:, np.isnan(each).all(0)] = 0.0
        usual = np.nan_to_num(np.nanmedian(each, 0))
        return {"usual": usual.tolist(), "scores": np.sort(np.nansum(each - usual, 1)).tolist()}

    def _full_conditionals(self, coordinates: Floats) -> Floats:
        with torch.no_grad():
            each = self._fitted()[1].full_conditionals(self._tensor(coordinates))
        found: Floats = each.double().cpu().numpy()
        return found

    def column_surprise(self, x: Any) -> Floats:
        """-log p(x_i | all others) in the model's coordinates, (rows, columns); NaN in holes.

        Raises:
            As ``log_prob``.
        """
        coordinates, _ = self._fitted()[0].encode(x)
        surprise: Floats = -self._full_conditionals(coordinates)
        return np.where(np.isnan(coordinates), np.nan, surprise)

    def _possible_rows(self, frame: pd.DataFrame, what: str) -> tuple[Floats, Floats]:
        """Coordinates (rows, columns) of a table that can be fitted to, and log-slopes (rows,)."""
        typed, density = self._fitted()
        rows, log_slope = typed.encode(frame)
        for row, i in density.impossible(self._tensor(rows)).nonzero()[:1].tolist():
            column = typed.schema.columns[i]
            wanted = f"a {column.kind} value from {column.low:g} to {column.high:g}"
            raise first_bad(frame[column.name], row, f"impossible in {what}", wanted)
        return rows, log_slope.sum(1)

    def initialize(
        self, x: Tensor, context: Tensor | None = None, *, standardize: bool = True
    ) -> None:
        self._fitted()[1].initialize(x, context, standardize=standardize)

    # -- density ---------------------------------------------------------------------------------

    def log_prob(self, x: Any, context: None = None, *, chunk_size: int | None = None) -> Any:
        """log p of every row, in nats; of its observed columns, where it has holes.

        A level never seen in training has the probability of all such levels together. Values
        outside a column's support have -inf.

        Args:
            x: a table with the columns of the fit, in any order.
            context: None; condition with ``sample(given=)``.
            chunk_size: rows worked on at a time; None chooses.

        Returns:
            (rows,), a numpy array.

        Raises:
            DataError: a missing column, or a value of the wrong kind; before ``fit``.
        """
        typed, density = self._fitted()
        coordinates, log_slope = typed.encode(x)
        log_prob: Floats = density.log_prob(coordinates, chunk_size=chunk_size)
        return log_prob.astype(np.float64) + log_slope.sum(1)

    def score(self, x: Any, context: None = None, *, chunk_size: int | None = None) -> Any:
        """Not of a table, whose columns are not all continuous.

        Raises:
            TypeError: always.
        """
        raise TypeError("TableFlow: a table has no gradient of log p; see explain()")

    def _log_prob(self, x: Tensor, context: Tensor | None) -> Tensor:
        return self._fitted()[1]._log_prob(x, context)

    def log_marginal(self, x: Any, *, num_samples: int = 100, seed: Seed = None) -> Any:
        """An estimate of the marginal log-density of the observed columns, by importance sampling:

            log mean_j p(observed, missing_j) / q(missing_j | observed),    missing_j ~ q,

        where p is the density of complete rows and q draws one missing column after another. Its
        exponential is unbiased (but for levels never seen, which q does not draw); the estimate
        itself is low by about half its variance. Complete rows have their ``log_prob``.

        Args:
            x: a table, as for ``log_prob``.
            num_samples: draws j.
            seed: of the draws.

        Returns:
            (rows,), a numpy array.

        Raises:
            ValueError: ``num_samples`` is not a whole number of at least 1.
            As ``log_prob``.
        """
        count = check_count("num_samples", num_samples)
        typed, density = self._fitted()
        coordinates, log_slope = typed.encode(x)
        rows = self._tensor(coordinates)
        generator = as_generator(seed, rows.device)
        weights = [density.log_weight(rows, seed=generator) for _ in range(count)]
        marginal = torch.logsumexp(torch.stack(weights), 0) - math.log(count)
        return marginal.double().cpu().numpy() + log_slope.sum(1)

    def _tensor(self, coordinates: Floats) -> Tensor:
        return torch.from_numpy(coordinates).to(self.like)

    # -- rows ------------------------------------------------------------------------------------

    def sample(
        self,
        n: SampleShape = 1,
        context: None = None,
        *,
        given: Mapping[str, Any] | None = None,
        seed: Seed = None,
        chunk_size: int | None = None,
    ) -> Any:
        """New rows, in the original types and rounding, derived columns included.

        Args:
            n: number of rows.
            context: None; see ``given``.
            given: values of some columns, ``{"age": 40}``; the others are drawn given these, one
                after another. With a column's ``None``, it is drawn too.
            seed: of the draws.
            chunk_size: unused; so many rows are drawn at a time as need little memory.

        Returns:
            A pandas frame of n rows.

        Raises:
            DataError: ``given`` names no column of the model, or has a value that it cannot have.
            ShapeError: ``n`` is not a whole number.
        """
        typed, density = self._fitted()
        if given is None:
            return typed.decode(self._drawn(n, seed))
        count = math.prod(self._draw(n, None, None).batch)
        start = typed.encode_given(given)
        if not np.isfinite(density.log_prob(start)[0]):
            raise DataError(f"no row can have {dict(given)}: a value outside its column's support")
        return self._completed(np.repeat(start, count, 0), self._generator(seed))

    def _completed(self, coordinates: Floats, generator: torch.Generator | None) -> pd.DataFrame:
        """The table with these coordinates (rows, columns), its holes drawn."""
        typed, density = self._fitted()
        drawn = density.complete(self._tensor(coordinates), seed=generator).double().cpu().numpy()
        # what was there keeps all digits of float64
        return typed.decode(np.where(np.isnan(coordinates), drawn, coordinates))

    def _drawn(self, n: SampleShape, seed: Seed) -> Floats:
        draw = self._draw(n, None, seed)
        with torch.no_grad():
            return self._rsample(draw).reshape(-1, *self.event_shape).double().cpu().numpy()

    def _rsample_and_log_prob(self, draw: Draw) -> tuple[Tensor, Tensor]:
        # what it could give are coordinates, without the slopes of their maps
        raise TypeError("TableFlow: rows are frames; take log_prob() of what sample() gives")

    def _generator(self, seed: Seed) -> torch.Generator | None:
        return as_generator(seed, self.like.device)

    def _rsample(self, draw: Draw) -> Tensor:
        return self._fitted()[1]._rsample(draw)

    def impute(self, x: Any, n: int = 1, *, seed: Seed = None) -> list[pd.DataFrame]:
        """The table with its holes filled, n times (multiple imputation).

        Missing values are drawn given all that is observed in their row, one column after another;
        what is observed stays as it is.

        Args:
            x: a table with the columns of the fit; a column may be missing altogether.
            n: number of imputations.
            seed: of the draws.

        Returns:
            n pandas frames with the rows of ``x``, and with its columns, of which those that the
            model leaves out stay as they are; then columns that were missing altogether.

        Raises:
            ValueError: ``n`` is not a whole number of at least 1.
            DataError: as ``log_prob``.

        Reference: "Multiple Imputation for Nonresponse in Surveys", Rubin, 1987.
        """
        count = check_count("n", n)
        typed, _ = self._fitted()
        frame = to_frame(x)
        coordinates, _ = typed.encode(frame, partial=True)
        generator = self._generator(seed)
        return [filled(frame, self._completed(coordinates, generator)) for _ in range(count)]

    def pit(self, x: Any, *, seed: Seed = None) -> pd.DataFrame:
        """Probability integral transforms of the modelled columns, uniform if the model is right.

        Each value is judged given some of the others in its row (the ones before it in the first
        order); values of mass are randomised between what lies below them and up to them.

        Args:
            x: a table, as for ``log_prob``.
            seed: of the randomisation.

        Returns:
            A pandas frame of numbers in [0, 1], NaN in holes.

        Raises:
            As ``log_prob``.
        """
        pandas = import_extra("pandas", "tabular")
        typed, density = self._fitted()
        rows = self._tensor(typed.encode(x)[0])
        with torch.no_grad():
            pit = density.pit(rows, seed=self._generator(seed)).double().cpu().numpy()
        return pandas.DataFrame(pit, columns=typed.schema.names)

    # -- reasons ---------------------------------------------------------------------------------

    def explain(self, x: Any) -> pd.DataFrame:
        """How surprising each value is, given all others in its row: -log p(x_i | others), in nats.

        Args:
            x: a table, as for ``log_prob``.

        Returns:
            A pandas frame, one column a modelled column; 0 in holes.

        Raises:
            As ``log_prob``.
        """
        pandas = import_extra("pandas", "tabular")
        typed, _ = self._fitted()
        coordinates, log_slope = typed.encode(x)
        each = self._full_conditionals(coordinates)
        # 0 - 0 is 0, and -0 would be written as -0.0
        return pandas.DataFrame(0.0 - (each + log_slope), columns=typed.schema.names)


def _without_weightless(
    frame: pd.DataFrame, options: dict[str, Any]
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The rows that count: training drops the others before it splits, and so must the record."""
    weight = np.asarray(options.get("sample_weight"), dtype=np.float64)
    if weight.shape != (len(frame),) or not (weight == 0).any() or not (weight > 0).any():
        return frame, options
    counts = weight != 0
    kept: pd.DataFrame = frame[counts].reset_index(drop=True)
    return kept, {**options, "sample_weight": weight[counts]}


def _is_share(validation: Any) -> bool:
    return isinstance(validation, int | float)
