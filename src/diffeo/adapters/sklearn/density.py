"""Density estimation of continuous columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from diffeo.adapters.sklearn.base import check_number
from diffeo.arrays import ArrayLike, default_names
from diffeo.checks import check_count
from diffeo.errors import import_extra
from diffeo.tabular.continuous import fit_continuous
from diffeo.tabular.plan import Plan

__all__ = ["FlowDensity"]

_BASE: Any = import_extra("sklearn.base", "tabular")
_VALIDATION: Any = import_extra("sklearn.utils.validation", "tabular")
_UTILS: Any = import_extra("sklearn.utils", "tabular")

Array = NDArray[np.float64]


class FlowDensity(_BASE.DensityMixin, _BASE.BaseEstimator):  # type: ignore[misc]
    """The joint density of continuous columns, by an average of normalizing flows.

    Every column is standardised; columns that others nearly determine are replaced by the
    residuals of a regression on them, and all are made normal by a spline through their quantiles
    (``Standardize``, ``LinearResiduals``, ``NormalScores`` of ``diffeo.transforms``). What is left
    is modelled by K autoregressive spline flows and a normal of full covariance:

        p(x) = ((1 - r) (s N(z; m, C) + (1 - s) / K sum_k p_k(z)) + r t(z)) |det dz/dx|.

    Each flow holds out rows of its own, by which it is stopped, and the share s of the normal is
    the one that these rows make most likely. So the estimate is a Gaussian copula where there are
    too few rows to learn more. Independent Student-t variables t with the share r = 1 / (n + 1)
    stand for a row unlike all n: a value far out then costs its logarithm, not its square.

    A rounded column (one whose values repeat) has no density; it gets uniform noise of its
    resolution in ``fit``, with a DataWarning. ``diffeo.TableFlow`` models such columns, categories
    and holes as what they are.

    Args:
        members: flows that are averaged; None is 8 below 2000 rows, 5 below 8000, else 3, and
            beyond 40 columns fewer, in proportion.
        layers: autoregressive layers of each flow; None is 6 below 2000 rows, else 3.
        hidden: widths of the hidden layers of each layer's network; None is (96, 96, 96)
            below 2000 rows, else (128, 128, 128).
        learning_rate: at the start of a cosine schedule; None is 0.02 below 2000 rows, else
            0.01.
        batch_size: rows a step; None is 64 below 2000 rows, else 256.
        epochs: passes over the rows at most; None is what 4000 steps take, beyond 40
            columns fewer in proportion, within [10, 200].
        max_time: seconds after which training stops; None sets no limit. With a limit, the result
            depends on the speed of the machine.
        random_state: int, ``RandomState`` or None, as scikit-learn has it. The same int gives the
            same fit on the same machine and number of threads.
        verbose: show a bar for each flow (needs tqdm, in ``diffeo[cli]``).

    Attributes:
        model_: the fitted ``diffeo.Flow``, float64, which saves itself to a file.
        copula_share_: s.
        n_features_in_, feature_names_in_: as scikit-learn has them.

    Raises:
        MissingExtraError: on import, if scikit-learn is not installed.

    Reference: "Neural Spline Flows", Durkan, Bekasov, Murray, Papamakarios, 2019,
    arXiv:1906.04032; "The Nonparanormal: Semiparametric Estimation of High Dimensional Undirected
    Graphs", Liu, Lafferty, Wasserman, 2009, arXiv:0903.0649; "Simple and Scalable Predictive
    Uncertainty Estimation using Deep Ensembles", Lakshminarayanan, Pritzel, Blundell, 2016,
    arXiv:1612.01474.

    Example:
        >>> import numpy as np
        >>> from diffeo.adapters.sklearn import FlowDensity
        >>> X = np.random.default_rng(0).normal(size=(200, 2))
        >>> density = FlowDensity(members=2, epochs=5, random_state=0).fit(X)
        >>> density.score_samples(X).shape
        (200,)
        >>> density.sample(3, random_state=0).shape
        (3, 2)
    """

    def __init__(
        self,
        *,
        members: int | None = None,
        layers: int | None = None,
        hidden: Sequence[int] | None = None,
        learning_rate: float | None = None,
        batch_size: int | None = None,
        epochs: int | None = None,
        max_time: float | None = None,
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.members = members
        self.layers = layers
        self.hidden = hidden
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.epochs = epochs
        self.max_time = max_time
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.non_deterministic = False
        return tags

    def fit(
        self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None
    ) -> FlowDensity:
        """Fit to rows X (rows, features).

        Args:
            X: finite numbers, no column constant.
            y: ignored, as scikit-learn's pipelines pass one.
            sample_weight: (rows,), >= 0; only their ratios count, and rows of weight 0 are left
                out.

        Raises:
            DataError: fewer than 5 rows, or columns over which no density exists; they are named.
            ValueError: data that are not finite numbers, or an argument out of range.
            TrainingError: the loss is never finite.

        Warns:
            DataWarning: columns whose values repeat; or rows too few to train flows of so many
                columns, so that the copula is all.
        """
        rows = _VALIDATION.validate_data(self, X, dtype=np.float64, ensure_min_samples=2)
        weight = None
        if sample_weight is not None:
            weight = _VALIDATION._check_sample_weight(
                sample_weight, rows, dtype=np.float64, ensure_non_negative=True
            )
            rows, weight = rows[weight > 0], torch.tensor(weight[weight > 0])
        names = [*getattr(self, "feature_names_in_", default_names(rows.shape[1], "x"))]
        self.model_ = fit_continuous(
            torch.tensor(rows),
            weight,
            plan=self._plan(*rows.shape),
            seed=int(_UTILS.check_random_state(self.random_state).randint(2**31 - 1)),
            names=names,
            progress=self.verbose,
        )
        logits: Any = self.model_.base.logits
        self.copula_share_ = float(torch.softmax(logits.detach()[:-1], 0)[-1])
        return self

    def _plan(self, rows: int, columns: int) -> Plan:
        for name in ("members", "layers", "batch_size", "epochs"):
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name))
        for name in ("learning_rate", "max_time"):
            value = getattr(self, name)
            check_number(name, 1.0 if value is None else value, value is None or value > 0, "> 0")
        given: dict[str, Any] = {
            "members": self.members,
            "layers": self.layers,
            "hidden": None if self.hidden is None else tuple(self.hidden),
            "lr": self.learning_rate,
            "batch_size": self.batch_size,
            "epochs": self.epochs,
            "max_time": self.max_time,
        }
        return replace(
            Plan.of(rows, columns),
            **{name: value for name, value in given.items() if value is not None},
        )

    def score_samples(self, X: ArrayLike) -> Array:
        """log p(x) of each row (rows,) in nats, in the units of the columns."""
        _VALIDATION.check_is_fitted(self)
        rows = _VALIDATION.validate_data(self, X, dtype=np.float64, reset=False)
        found: Array = self.model_.log_prob(np.array(rows))
        return found

    def score(self, X: ArrayLike, y: object = None) -> float:
        """Mean of log p(x) over rows, in nats a row; the larger the better.

        The mean, as scikit-learn's GaussianMixture has it; its KernelDensity returns the sum.
        """
        return float(self.score_samples(X).mean())

    def sample(self, n_samples: int = 1, random_state: Any = None) -> Array:
        """Rows (n_samples, features) drawn from the density.

        Args:
            n_samples: how many.
            random_state: int, ``RandomState`` or None.
        """
        _VALIDATION.check_is_fitted(self)
        check_count("n_samples", n_samples)
        seed = int(_UTILS.check_random_state(random_state).randint(2**31 - 1))
        with torch.no_grad():
            drawn: Array = self.model_.sample(n_samples, seed=seed).numpy()
        return drawn
