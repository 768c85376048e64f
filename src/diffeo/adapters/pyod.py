"""PyOD: anomaly detection by what each value of a row should be, as a detector of PyOD."""

from __future__ import annotations

from typing import Any

import numpy as np

from diffeo.arrays import Floats
from diffeo.errors import import_extra
from diffeo.tabular.anomaly import AnomalyDetector

__all__ = ["FlowDetector"]

_base = import_extra("pyod.models.base", "pyod")
_checks = import_extra("sklearn.utils.validation", "pyod")


class FlowDetector(_base.BaseDetector):  # type: ignore[misc, name-defined]
    """Detector of anomalies by PyOD's conventions; the scores are those of ``AnomalyDetector``.

    Args:
        contamination: share of anomalies expected among the rows of training, in (0, 0.5]; it sets
            the threshold and nothing else.
        trim: share of the rows of training to leave out, in [0, 0.5]; 0 where they are known to be
            normal.
        bandwidth: standard deviation of the noise in training, in those of the columns.
        members: number of networks, at least 2.
        steps: of training, for each, at least 20; None as in ``AnomalyDetector``.
        random_state: of everything random: a whole number, a numpy ``RandomState``, or None for
            numpy's global one.

    Attributes:
        decision_scores_: (rows,), of the rows of training, each by the networks that left it out;
            higher for stranger rows.
        threshold_: score above which a row counts as an anomaly.
        labels_: (rows,), 1 for the anomalies among the rows of training, 0 for the others.
        detector_: the fitted ``AnomalyDetector``.

    Raises:
        ValueError: an argument out of range, in ``fit``.

    Reference: "PyOD: A Python Toolbox for Scalable Outlier Detection", Zhao, Nasrullah, Li, 2019,
    arXiv:1901.01588.

    Example:
        >>> import numpy as np
        >>> from diffeo.adapters.pyod import FlowDetector
        >>> x = np.random.default_rng(0).normal(size=(200, 2))
        >>> detector = FlowDetector(steps=50, random_state=0).fit(x)
        >>> detector.predict([[0.0, 0.0], [9.0, -9.0]]).tolist()
        [0, 1]
    """

    def __init__(
        self,
        contamination: float = 0.1,
        trim: float = 0.25,
        bandwidth: float = 0.1,
        members: int = 3,
        steps: int | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        super().__init__(contamination=contamination)
        self.trim = trim
        self.bandwidth = bandwidth
        self.members = members
        self.steps = steps
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> FlowDetector:
        """Fit to rows of numbers, (rows, columns); ``y`` is not read.

        Raises:
            ValueError: rows that are not finite numbers, or fewer than 10 of them.
        """
        x = _checks.check_array(X, dtype=np.float64)
        self._set_n_classes(y)
        seed = _seed(self.random_state)
        self.detector_ = AnomalyDetector(
            trim=self.trim,
            bandwidth=self.bandwidth,
            members=self.members,
            steps=self.steps,
            seed=seed,
        ).fit(x)
        self.decision_scores_ = self.detector_.held_out_scores
        self._process_decision_scores()
        return self

    def decision_function(self, X: Any) -> Floats:
        """How strange each row is, (rows,); higher is stranger."""
        return self._fitted().score(_checks.check_array(X, dtype=np.float64))

    def explain(self, X: Any) -> Floats:
        """What each column adds to the score, (rows, columns)."""
        return self._fitted().contributions(_checks.check_array(X, dtype=np.float64))

    def p_value(self, X: Any) -> Floats:
        """How often a row of training would be at least so strange, (rows,)."""
        return self._fitted().p_values(_checks.check_array(X, dtype=np.float64))

    def _fitted(self) -> AnomalyDetector:
        _checks.check_is_fitted(self, "detector_")
        detector: AnomalyDetector = self.detector_
        return detector


def _seed(random_state: int | np.random.RandomState | None) -> int:
    generator = import_extra("sklearn.utils", "pyod").check_random_state(random_state)
    whole = isinstance(random_state, int | np.integer)
    return int(random_state) if whole else int(generator.randint(2**31 - 1))  # type: ignore[arg-type]
