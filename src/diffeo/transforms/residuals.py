"""Columns that others nearly determine, replaced by what a regression on them leaves."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from diffeo.checks import check_event, check_features
from diffeo.nets.standardize import column_moments
from diffeo.transform import Transform
from diffeo.transforms.linear import full_precision, solve_from_right
from diffeo.transforms.normal_scores import NormalScores

__all__ = ["LinearResiduals"]

# what a regression must gain on rows held out: nats a row, and standard errors of that
WORTH, CERTAIN = 0.05, 3.0
# rows that suffice to choose
MOST_ROWS = 20_000
# of the rows that choose, the share that fits
FIT_SHARE = 0.8
# ridges, as shares of a column's variance: next to none for data that may be exactly linear, more
# for scores, whose correlations are only to be compared
RIDGE, SCORES_RIDGE = 1e-9, 1e-3


class LinearResiduals(Transform):
    """y_i = x_i + sum_{j<i} a_ij y_j: some columns are linear in those before, plus a residual.

    Which columns, data decide: column i is regressed on all columns before it where held-out rows
    are more likely that way, beside the alternative of taking its distribution by itself
    (NormalScores) and a regression of normal scores (a Gaussian copula). So columns that are sums
    or multiples of others up to their rounding, where a density is sharp, become ordinary ones,
    while the others stay what they are, with their spikes and bounds in place. ladj 0.

    The identity before ``initialize``, which acts once, as in Standardize. Ignores context. Sharp
    residuals are lost in float32; use it in float64, beside data that are standardised.

    Args:
        features: number of features D.

    Shapes: x (*batch, D).

    Raises:
        ShapeError: events of another shape.

    Reference: "The Nonparanormal: Semiparametric Estimation of High Dimensional Undirected
    Graphs", Liu, Lafferty, Wasserman, 2009, arXiv:0903.0649 (the copula that is compared with).

    Example:
        >>> import torch, diffeo
        >>> x = torch.randn(200, 2, dtype=torch.float64)
        >>> total = x.sum(1, keepdim=True) + 1e-4 * torch.randn(200, 1)
        >>> layer = diffeo.transforms.LinearResiduals(3).double()
        >>> layer.initialize(torch.cat([x, total], dim=1))
        >>> layer.weight[2].round(decimals=2)
        tensor([1., 1., 0.], dtype=torch.float64)
    """

    weight: Tensor
    initialized: Tensor
    data_dependent = True
    lossless = True

    def __init__(self, features: int) -> None:
        check_features("LinearResiduals", features)
        super().__init__((features,))
        # a_ij, strictly lower triangular
        self.register_buffer("weight", torch.zeros(features, features))
        self.register_buffer("initialized", torch.tensor(False))

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        check_event(self, x, self.in_shape)
        with full_precision(x):
            y = solve_from_right(x, self._factor(x), upper=False)
            return y, x.new_zeros(x.shape[:-1])

    def inverse(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        check_event(self, y, self.in_shape)
        with full_precision(y):
            return F.linear(y, self._factor(y)), y.new_zeros(y.shape[:-1])

    def _factor(self, like: Tensor) -> Tensor:
        weight = self.weight.to(like.dtype)
        return torch.eye(len(weight), dtype=weight.dtype, device=weight.device) - weight.tril(-1)

    @torch.no_grad()
    def initialize(self, y: Tensor, context: Tensor | None = None) -> None:
        check_event(self, y, self.in_shape)
        if self.initialized:
            return
        rows = y.reshape(-1, y.shape[-1]).to("cpu", torch.float64)
        if len(rows) < 4 * len(self.weight):
            # too few to regress a column on all others
            return
        mean, scale = column_moments(rows)
        rows = (rows - mean) / scale
        weight = torch.zeros_like(self.weight, dtype=torch.float64, device="cpu")
        step = max(1, len(rows) // MOST_ROWS)
        for i in _sharper_as_residuals(rows[::step]):
            # in units of the columns as they came
            weight[i, :i] = _regress(rows[:, :i], rows[:, i], RIDGE) * scale[i] / scale[:i]
        self.weight.copy_(weight)
        self.initialized.fill_(True)


def _sharper_as_residuals(rows: Tensor) -> list[int]:
    """The columns (rows, D) that held-out rows want regressed on those before."""
    cut = round(FIT_SHARE * len(rows))
    fit, held_out = rows[:cut], rows[cut:]
    # normal scores of the columns so far, as chosen, of both parts
    scores, held_scores = torch.zeros_like(fit), torch.zeros_like(held_out)
    chosen = []
    for i in range(rows.shape[1]):
        scores[:, i], held_scores[:, i], slope = _scored(fit[:, i], held_out[:, i])
        if i == 0:
            continue
        alone = slope + _likelihood(scores[:, : i + 1], held_scores[:, : i + 1])
        weight = _regress(fit[:, :i], fit[:, i], RIDGE)
        residual = fit[:, i] - fit[:, :i] @ weight
        held_residual = held_out[:, i] - held_out[:, :i] @ weight
        trial, held_trial = scores[:, : i + 1].clone(), held_scores[:, : i + 1].clone()
        trial[:, i], held_trial[:, i], slope = _scored(residual, held_residual)
        gain = slope + _likelihood(trial, held_trial) - alone
        error = gain.std() / len(gain) ** 0.5
        if gain.mean() > max(WORTH, CERTAIN * float(error)):
            chosen.append(i)
            scores[:, i], held_scores[:, i] = trial[:, i], held_trial[:, i]
    return chosen


def _scored(fit: Tensor, held_out: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Normal scores of a column in both parts, and the log-slope at each row held out."""
    layer = NormalScores(1).double()
    layer.initialize(fit[:, None])
    scores, _ = layer.inverse(fit[:, None])
    held_scores, slope = layer.inverse(held_out[:, None])
    return scores[:, 0], held_scores[:, 0], slope


def _likelihood(scores: Tensor, held_scores: Tensor) -> Tensor:
    """Log-likelihoods of the last scores given the others, up to a constant: a regression's."""
    others = scores.shape[1] - 1
    weight = _regress(scores[:, :others], scores[:, -1], SCORES_RIDGE)
    variance = (scores[:, -1] - scores[:, :others] @ weight).square().mean()
    error = held_scores[:, -1] - held_scores[:, :others] @ weight
    return -0.5 * (error.square() / variance + variance.log())


def _regress(x: Tensor, y: Tensor, ridge: float) -> Tensor:
    """Coefficients of y (n) on columns x (n, k) of mean about 0 and variance about 1."""
    gram = x.t() @ x + ridge * len(x) * torch.eye(x.shape[1], dtype=x.dtype)
    return torch.cholesky_solve((x.t() @ y)[:, None], torch.linalg.cholesky(gram))[:, 0]
