"""Regression that predicts a density."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from diffeo.adapters.sklearn.base import check_number
from diffeo.arrays import ArrayLike
from diffeo.checks import check_count
from diffeo.errors import DataError, import_extra
from diffeo.tabular.regression import Capacity, Chain

__all__ = ["FlowRegressor"]

_BASE: Any = import_extra("sklearn.base", "tabular")
_VALIDATION: Any = import_extra("sklearn.utils.validation", "tabular")
_UTILS: Any = import_extra("sklearn.utils", "tabular")

Array = NDArray[np.float64]


class FlowRegressor(_BASE.RegressorMixin, _BASE.BaseEstimator):  # type: ignore[misc]
    """The conditional density p(y | x) of one output or several, by an ensemble of flows.

    Of one output, each member k is a flow u = F_k(y | x) to the uniform distribution, F_k the
    distribution function of a mixture of logistics whose weights, locations and scales a network
    predicts from x; the ensemble averages densities:

        p(y | x) = sum_k w_k F_k'(y | x).

    Several outputs are factors, p(y_1 | x) p(y_2 | x, y_1) ...

    A rounded y (one whose values repeat) is modelled as rounded: with h its resolution, found in
    training and kept in ``resolution_``, the likelihood of y is (F(y + h/2) - F(y - h/2)) / h, the
    probability of what was written down per unit of y. It is a normalised density, that of the
    flow with uniform noise of one h, and at most 1/h: heaps cannot drive it to infinity. Means,
    quantiles and samples are of the rounded y too. A heap on one value of an otherwise finely
    written y (zeros, a cap) is a narrow logistic, not an atom: the least scale is a thousandth of
    y's standard deviation.

    One half of the members sees the columns in piecewise-linear bins, for functions that jump and
    bend, the other the columns and their principal components, for smooth ones. Each member leaves
    a fold of the rows out of its training and keeps its best weights on that fold; the shares of
    the two halves are those that make the rows left out most likely. All else follows from the
    number of rows: by default ``batch_size`` is a 32nd of it within [64, 512], and ``steps`` is
    1500 up to ten thousand rows, growing with their square root up to 6000.

    ``score`` is the mean log-likelihood in nats a row, not R^2: scores of targets in other units
    cannot be compared.

    Args:
        members: networks of the ensemble; a pair of them leaves out one fold of as many.
        components: logistics that each member mixes.
        hidden: widths of each network's hidden layers.
        dropout: share of hidden units dropped in training.
        learning_rate: at the start of a cosine schedule.
        weight_decay: of AdamW.
        batch_size: rows a step; None is the rule above.
        steps: gradient steps at most; None is the rule above.
        random_state: int, ``RandomState`` or None, as scikit-learn has it. The same int gives the
            same fit on the same machine and number of threads.

    Attributes:
        resolution_: the step to which each output is rounded (outputs,); 0 where values hardly
            repeat.
        held_out_score_: mean log-likelihood of the rows left out, by the members that left them
            out and were stopped by them; the whole ensemble is usually better.
        n_features_in_, feature_names_in_: as scikit-learn has them.

    Raises:
        MissingExtraError: on import, if scikit-learn is not installed.

    Reference: "Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles",
    Lakshminarayanan, Pritzel, Blundell, 2016, arXiv:1612.01474; "On Embeddings for Numerical
    Features in Tabular Deep Learning", Gorishniy, Rubachev, Babenko, 2022, arXiv:2203.05556;
    "PixelCNN++: Improving the PixelCNN with Discretized Logistic Mixture Likelihood and Other
    Modifications", Salimans, Karpathy, Chen, Kingma, 2017, arXiv:1701.05517.

    Example:
        >>> import numpy as np
        >>> from diffeo.adapters.sklearn import FlowRegressor
        >>> X = np.random.default_rng(0).normal(size=(200, 2))
        >>> y = X[:, 0] + np.random.default_rng(1).normal(size=200)
        >>> model = FlowRegressor(members=2, steps=50, random_state=0).fit(X, y)
        >>> model.predict_quantiles(X, [0.05, 0.95]).shape
        (200, 2)
        >>> model.sample(X[:3], 1000, random_state=0).shape
        (1000, 3)
    """

    def __init__(
        self,
        *,
        members: int = 8,
        components: int = 5,
        hidden: Sequence[int] = (128, 128),
        dropout: float = 0.0,
        learning_rate: float = 3e-3,
        weight_decay: float = 1e-2,
        batch_size: int | None = None,
        steps: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.members = members
        self.components = components
        self.hidden = hidden
        self.dropout = dropout
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.steps = steps
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        # what scikit-learn calls a score there is R^2; ours is in nats
        tags.regressor_tags.poor_score = True
        tags.non_deterministic = False
        return tags

    def fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> FlowRegressor:
        """Fit to rows X (rows, features) and y (rows,) or (rows, outputs).

        Args:
            X: finite numbers.
            y: finite numbers.
            sample_weight: (rows,), >= 0; only their ratios count, and rows of weight 0 are left
                out.

        Raises:
            DataError: fewer than 2 rows, or an output that is constant.
            ValueError: data that are not finite numbers, or an argument out of range.
            TrainingError: the loss is never finite.
        """
        rows, outputs = _VALIDATION.validate_data(
            self, X, y, dtype=np.float64, multi_output=True, y_numeric=True, ensure_min_samples=2
        )
        weight = _VALIDATION._check_sample_weight(
            sample_weight, rows, dtype=np.float64, ensure_non_negative=True
        )
        self._single = outputs.ndim == 1
        outputs = outputs.astype(np.float64).reshape(len(rows), -1)
        used = weight > 0
        _check_outputs(outputs[used])
        seed = int(_UTILS.check_random_state(self.random_state).randint(2**31 - 1))
        capacity = self._capacity(int(used.sum()))
        self.chain_ = Chain(rows[used], outputs[used], weight[used], capacity, seed)
        self.resolution_ = np.array([target.step for target in self.chain_.targets])
        self.held_out_score_ = sum(target.held_out for target in self.chain_.targets)
        return self

    def _capacity(self, rows: int) -> Capacity:
        for name in ("members", "components"):
            check_count(name, getattr(self, name))
        for name in ("batch_size", "steps"):
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name))
        hidden = tuple(self.hidden)
        for width in hidden:
            check_count("every width of hidden", width)
        check_number("dropout", self.dropout, 0 <= self.dropout < 1, "in [0, 1)")
        check_number("learning_rate", self.learning_rate, self.learning_rate > 0, "positive")
        check_number("weight_decay", self.weight_decay, self.weight_decay >= 0, ">= 0")
        return Capacity(
            members=self.members,
            components=self.components,
            hidden=hidden,
            dropout=self.dropout,
            lr=self.learning_rate,
            weight_decay=self.weight_decay,
            batch_size=self.batch_size or Capacity.batch_for(rows),
            steps=self.steps or Capacity.steps_for(rows),
        )

    def predict(self, X: ArrayLike) -> Array:
        """E[y | x], (rows,) or (rows, outputs).

        In closed form for the first output; for later ones the average over 128 fixed points of
        the earlier ones' density.
        """
        rows = self._rows(X)
        return self._shaped(self.chain_.mean(rows))

    def predict_quantiles(self, X: ArrayLike, q: float | Sequence[float] = 0.5) -> Array:
        """The quantiles of y at each row: the least y with P(Y <= y | x) >= q.

        For one output, and the first of several, by inverting the closed-form F to the precision
        of float64. For later outputs the marginal quantiles of 128 fixed points of the joint
        density, whose extreme levels are rough. Those of a rounded y are on its lattice.

        Args:
            X: (rows, features).
            q: levels in (0, 1): a number or a sequence.

        Returns:
            (rows,) for a number, (rows, len(q)) for a sequence; with several outputs a last axis
            more.

        Raises:
            ValueError: a level outside (0, 1).
        """
        rows = self._rows(X)
        levels = np.asarray(q, dtype=np.float64)
        if levels.ndim > 1 or not bool(np.all((levels > 0) & (levels < 1))):
            raise ValueError(f"q must be a level in (0, 1) or a sequence of levels, got {q!r}")
        quantiles = self._shaped(self.chain_.quantiles(rows, np.atleast_1d(levels)))
        return quantiles[:, 0] if levels.ndim == 0 else quantiles

    def sample(self, X: ArrayLike, n: int = 1, *, random_state: Any = None) -> Array:
        """Draws of y at each row, rounded as y was.

        Args:
            X: (rows, features).
            n: draws a row.
            random_state: int, ``RandomState`` or None.

        Returns:
            (n, rows), or (n, rows, outputs).
        """
        rows = self._rows(X)
        check_count("n", n)
        seed = int(_UTILS.check_random_state(random_state).randint(2**31 - 1))
        generator = torch.Generator().manual_seed(seed)
        return self._shaped(self.chain_.sample(rows, n, generator))

    def score_samples(self, X: ArrayLike, y: ArrayLike) -> Array:
        """log p(y | x) (rows,) in nats, in the units of y.

        Raises:
            DataError: y of another number of rows or outputs than X and the fit.
        """
        rows = self._rows(X)
        outputs = np.asarray(
            _UTILS.check_array(y, dtype=np.float64, ensure_2d=False, input_name="y")
        )
        expected = len(self.chain_.targets)
        wide = outputs.reshape(len(outputs), -1)
        if wide.shape != (len(rows), expected):
            raise DataError(
                f"y must have {len(rows)} rows of {expected} output(s), got shape {outputs.shape}"
            )
        return self.chain_.log_prob(rows, wide)

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Mean of log p(y | x) over rows, in nats a row; the larger the better."""
        return float(np.average(self.score_samples(X, y), weights=sample_weight))

    def _rows(self, X: ArrayLike) -> Array:
        _VALIDATION.check_is_fitted(self)
        rows: Array = _VALIDATION.validate_data(self, X, dtype=np.float64, reset=False)
        return rows

    def _shaped(self, values: Array) -> Array:
        """Without the axis of outputs, where y came without."""
        return values[..., 0] if self._single else values


def _check_outputs(y: Array) -> None:
    if len(y) < 2:
        raise DataError(f"a density needs at least 2 rows of positive weight, got {len(y)}")
    constant = np.flatnonzero(np.ptp(y, axis=0) == 0)
    if len(constant):
        j = constant[0]
        raise DataError(f"output {j} of y is constant ({y[0, j]:g}): it has no density; drop it")
