"""AnomalyDetector: how strange a row is, why, and how sure that is."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from diffeo.arrays import Floats
from diffeo.checks import check_count
from diffeo.errors import DataError
from diffeo.tabular.anomaly.concentration import concentrated
from diffeo.tabular.anomaly.encoding import Encoding, encoding_of
from diffeo.tabular.anomaly.fitting import Training, fit_mixtures, full_conditionals
from diffeo.tabular.anomaly.network import ConditionalMixtures
from diffeo.tabular.anomaly.p_values import at_least

__all__ = ["AnomalyDetector"]

FEWEST_ROWS = 10
FEWEST_STEPS = 20
# values further out, in standard deviations, count as so far
FAR = 15.0
# of the spread of all rows, what a column keeps at least among the rows that are not left out
LEAST_SPREAD = 0.05
# steps of training for fewer distinct rows than these, and for others
FEW_ROWS = 500
STEPS_FOR_FEW, STEPS = 300, 1000


class AnomalyDetector:
    """Anomaly scores by what each value of a row should be, given the others:

        score(x) = mean over members of  sum_i -log p(x_i | all other columns of x),

    the negative log-pseudo-likelihood, in nats for standardised values. Each member is a network
    that has learned the distribution of any columns given any others; each has left out one fold
    of the rows, whose scores calibrate the p-values.

    Training is on values with noise of ``bandwidth`` standard deviations, so that densities are
    smooth on that scale, ties and rounding included. It leaves out the share ``trim`` of rows that
    lie furthest from the bulk (concentration steps of a shrunk normal distribution), so that
    anomalies among them are not learned.

    Columns of a frame are typed: labels are scored together, holes are allowed and count nothing,
    and a row in which a constant is broken, or a relation between columns that held in all n
    rows, scores log(n + 2) for it, the surprise by Laplace's rule of succession. An array is taken
    as numbers, with NaN for holes.

    Args:
        trim: share of the rows of training to leave out, in [0, 0.5]; 0 where they are known to be
            normal.
        bandwidth: standard deviation of the noise, in those of the columns.
        members: number of networks and folds, at least 2.
        steps: of training, for each, at least 20; by default 1,000, and 300 for fewer than 500
            distinct rows, which a network would learn by heart.
        seed: of everything random.

    Attributes:
        names: of the columns, after ``fit``.
        held_out_scores: (rows,), of the rows of training, each by the members that left it out.
        kept: (rows,), which rows were not trimmed.

    Raises:
        ValueError: an argument out of range.

    Reference: "Statistical Analysis of Non-Lattice Data", Besag, 1975, The Statistician 24
    (pseudo-likelihood); "A Deep and Tractable Density Estimator", Uria, Murray, Larochelle, 2014,
    arXiv:1310.1757; "Cross-conformal predictors", Vovk, 2015, arXiv:1208.0806.

    Example:
        >>> import numpy as np
        >>> from diffeo.tabular.anomaly import AnomalyDetector
        >>> x = np.random.default_rng(0).normal(size=(300, 1)) @ np.ones((1, 3))
        >>> x += 0.1 * np.random.default_rng(1).normal(size=x.shape)
        >>> detector = AnomalyDetector(steps=100).fit(x)
        >>> odd = np.array([[1.0, 1.0, -1.0]])
        >>> int(detector.contributions(odd).argmax())
        2
        >>> float(detector.p_values(odd)[0]) < 0.05
        True
    """

    def __init__(
        self,
        *,
        trim: float = 0.25,
        bandwidth: float = 0.1,
        members: int = 3,
        steps: int | None = None,
        seed: int = 0,
    ) -> None:
        if not 0 <= trim <= 0.5:
            raise ValueError(f"trim must be a share of the rows between 0 and 0.5, got {trim!r}")
        if not 0 < bandwidth < math.inf:
            raise ValueError(f"bandwidth must be positive, got {bandwidth!r}")
        self.trim, self.bandwidth, self.seed = float(trim), float(bandwidth), int(seed)
        self.members = check_count("AnomalyDetector: members", members)
        self.steps = steps if steps is None else check_count("AnomalyDetector: steps", steps)
        if self.members < 2:
            raise ValueError("members must be at least 2: each leaves out what the others learn")
        if self.steps is not None and self.steps < FEWEST_STEPS:
            raise ValueError(f"steps must be at least {FEWEST_STEPS}, got {steps}")

    def fit(self, X: Any) -> AnomalyDetector:
        """Learn what rows are like.

        Args:
            X: a table: an array (rows, columns), a frame, or the path of a file.

        Raises:
            DataError: fewer than 10 rows, no column that varies, or values that are not numbers.
        """
        self._encoding = encoding_of(X)
        raw = self._encoding.encode(X)
        if len(raw) < FEWEST_ROWS:
            raise DataError(f"anomalies need at least {FEWEST_ROWS} rows to learn from: {len(raw)}")
        self.names = self._encoding.names
        self.kept = concentrated(_filled(raw), 1 - self.trim)
        self._centre, self._scale = _standard(raw, self.kept)
        self._rows = len(raw)
        self._owner = torch.from_numpy(np.unique(self._encoding.owner, return_inverse=True)[1])
        x, fold = self._standardised(raw), self._folds()
        training = self._training(raw)
        self._networks = [
            fit_mixtures(x[(fold != k) & self.kept], self._owner, training, self.seed + k)
            for k in range(self.members)
        ]
        scores = self._each_by_its_own(x, fold) + self._of_fixed(X).sum(axis=1)
        self._held_out = [np.sort(scores[fold == k]) for k in range(self.members)]
        self.held_out_scores = scores
        return self

    def score(self, X: Any) -> Floats:
        """How strange each row is, (rows,), in nats; higher is stranger.

        Raises:
            DataError: not fitted, or other columns than in the fit.
        """
        total: Floats = self.contributions(X).sum(axis=1)
        return total

    def contributions(self, X: Any) -> Floats:
        """What each column of ``names`` adds to the score, (rows, columns)."""
        x = self._standardised(self._fitted().encode(X))
        mean = np.mean([self._surprise(network, x) for network in self._networks], axis=0)
        result = np.zeros((len(x), len(self.names)))
        np.add.at(result.T, self._fitted().owner, mean.T)
        result[:, self._fitted().fixed] = self._of_fixed(X)
        return result

    def p_values(self, X: Any) -> Floats:
        """How often a row of training would be at least so strange, (rows,).

        A row is held against each fold by the member that never saw it; the counts are added up:
        p = (1 + sum_k #{rows of fold k that score at least as high}) / (n + 1). Anomalies among
        the rows of training are counted too, so p errs on the side of large values.
        """
        x = self._standardised(self._fitted().encode(X))
        fixed = self._of_fixed(X).sum(axis=1)
        count = np.ones(len(x))
        for network, held_out in zip(self._networks, self._held_out, strict=True):
            score = self._surprise(network, x).sum(axis=1) + fixed
            count += at_least(held_out, score)
        return count / (self._rows + 1)

    # -- parts -----------------------------------------------------------------------------------

    def _training(self, raw: Floats) -> Training:
        if self.steps is not None:
            return Training(self.bandwidth, self.steps)
        few = len(np.unique(raw, axis=0)) < FEW_ROWS
        return Training(self.bandwidth, STEPS_FOR_FEW if few else STEPS)

    def _fitted(self) -> Encoding:
        encoding: Encoding | None = getattr(self, "_encoding", None)
        if encoding is None or not hasattr(self, "held_out_scores"):
            raise DataError("this AnomalyDetector has seen no data; call fit first")
        return encoding

    def _folds(self) -> npt.NDArray[np.intp]:
        """Which member leaves each row out."""
        order = np.random.default_rng(self.seed).permutation(self._rows)
        return order % self.members

    def _standardised(self, raw: Floats) -> Tensor:
        z = np.clip((raw - self._centre) / self._scale, -FAR, FAR)
        return torch.from_numpy(z.astype(np.float32))

    def _surprise(self, network: ConditionalMixtures, x: Tensor) -> Floats:
        return -full_conditionals(network, x, self._owner).double().numpy()

    def _each_by_its_own(self, x: Tensor, fold: npt.NDArray[np.intp]) -> Floats:
        scores = np.empty(len(x))
        for k, network in enumerate(self._networks):
            scores[fold == k] = self._surprise(network, x[fold == k]).sum(axis=1)
        return scores

    def _of_fixed(self, X: Any) -> Floats:
        broken: Floats = self._encoding.broken(X).astype(np.float64)
        return broken * math.log(self._rows + 2)


def _filled(raw: Floats) -> Floats:
    """Standardised values with medians in the holes, for a first look at the rows."""
    scale = np.nanstd(raw, axis=0)
    z = (raw - np.nanmedian(raw, axis=0)) / np.where(scale > 0, scale, 1.0)
    return np.nan_to_num(z)


def _standard(raw: Floats, kept: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Means and standard deviations of the rows kept, or of all where these have no value."""
    spread = np.nanstd(raw, axis=0)
    seen = ~np.isnan(raw[kept]).all(axis=0)
    centre, scale = np.nanmean(raw, axis=0), spread.copy()
    centre[seen] = np.nanmean(raw[kept][:, seen], axis=0)
    scale[seen] = np.nanstd(raw[kept][:, seen], axis=0)
    scale = np.maximum(scale, LEAST_SPREAD * spread)
    return centre, np.where(scale > 0, scale, 1.0)
