"""Monotone splines that make the columns of a table normal, set by their quantiles."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from diffeo.checks import check_event, check_features
from diffeo.transform import Transform
from diffeo.univariates.knots import bin_of, both_ends
from diffeo.univariates.rational_quadratic import bend, unbend

__all__ = ["NormalScores", "column_knots"]

Array = np.ndarray[Any, Any]

FEWEST_BINS = 4
# knots where the outermost reach in a fresh layer, in standard deviations
REACH = 3.0
# the fewest rows in a bin and beyond the outermost knots, whose spread decides the tail's slope
BIN_ROWS = 4
# rows that quantiles are taken from; of images, each pixel is a row
MOST_ROWS = 2**17
# bins before they are joined
MOST_FIRST_BINS = 512
# nats, over all rows, that a knot must be worth: what is tried, on every fifth row held out
WORTHS = (1.0, 3.0, 8.0, 20.0)
HELD_OUT, FEWEST_TO_CHOOSE = 5, 40
# log-ratio of the secants of two bins that counts as a jump of the density
JUMP = 3.0
# no bin is steeper or flatter than this against the column's spread
STEEPEST = 1e4


class NormalScores(Transform):
    """y_i = g_i(x_i): a standard normal x_i becomes the distribution of the data's column i.

    Each g_i is a monotone rational-quadratic spline through (Phi^-1(p_k), q_k), with q_k the
    p_k-quantile of the column. Knots start as close as a few rows, and those that the likelihood
    does not miss are left out one after another, so that smooth columns get few, and spikes and
    gaps get theirs. The slope at a knot is the geometric mean of the secants of the rows beside it;
    beyond the outermost knots the spline goes on as a line, whose slope is that of a regression of
    the rows out there on their normal scores. Values that repeat count half below and half above
    themselves, and a bin is at most 10,000 times as dense as a normal of the column's spread. Knots
    to spare continue the upper line.

    The identity before ``initialize``, which acts once, as in Standardize. Ignores context. In
    float32, put a Standardize next to the data.

    Args:
        features: number of features D.
        bins: the most bins a spline has, at least 4.

    Shapes: x (*batch, D).

    Raises:
        ShapeError: events of another shape.
        ValueError: fewer than 4 bins.

    Reference: "Neural Spline Flows", Durkan, Bekasov, Murray, Papamakarios, 2019,
    arXiv:1906.04032 (the spline); "The Nonparanormal: Semiparametric Estimation of High Dimensional
    Undirected Graphs", Liu, Lafferty, Wasserman, 2009, arXiv:0903.0649 (columns made normal).

    Example:
        >>> import torch, diffeo
        >>> layer = diffeo.transforms.NormalScores(1)
        >>> layer.initialize(torch.linspace(0.0, 1.0, 101)[:, None] ** 2)
        >>> layer.inverse(torch.tensor([[0.25]]))[0].abs().item() < 1e-2
        True
    """

    knots: Tensor
    initialized: Tensor
    data_dependent = True
    lossless = True

    def __init__(self, features: int, bins: int = 64) -> None:
        check_features("NormalScores", features)
        if bins < FEWEST_BINS:
            raise ValueError(f"NormalScores needs at least {FEWEST_BINS} bins, got {bins}")
        super().__init__((features,))
        self.bins = bins
        grid = torch.linspace(-REACH, REACH, bins + 1)[:, None].expand(-1, features)
        # x of the knots, y of the knots, slopes there: (3, bins + 1, features)
        self.register_buffer("knots", torch.stack([grid, grid, torch.ones_like(grid)]))
        self.register_buffer("initialized", torch.tensor(False))

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        check_event(self, x, self.in_shape)
        return self._through(x, inverted=False)

    def inverse(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        check_event(self, y, self.in_shape)
        return self._through(y, inverted=True)

    def _through(self, value: Tensor, *, inverted: bool) -> tuple[Tensor, Tensor]:
        tables = self.knots.to(value.dtype)
        along = tables[1 if inverted else 0]
        inside = value.clamp(along[0], along[-1])
        # one axis for each of the batch, after that of the knots
        tables = tables.reshape(*tables.shape[:2], *(1,) * (value.ndim - 1), -1)
        ends = both_ends(tables, _bin_of(inside, along))
        found, log_slope = (unbend if inverted else bend)(inside, *ends)
        # beyond the knots on the line that has the slope of the end
        return found + (value - inside) * log_slope.exp(), log_slope.sum(-1)

    @torch.no_grad()
    def initialize(self, y: Tensor, context: Tensor | None = None) -> None:
        check_event(self, y, self.in_shape)
        if self.initialized:
            return
        rows = y.reshape(-1, y.shape[-1]).to("cpu", torch.float64)
        if len(rows) < 2:
            # one row says nothing about a spread
            return
        if len(rows) > MOST_ROWS:
            draw = torch.Generator().manual_seed(0)
            rows = rows[torch.randint(len(rows), (MOST_ROWS,), generator=draw)]
        columns = [column_knots(column, self.bins) for column in rows.unbind(1)]
        self.knots.copy_(torch.stack(columns, dim=-1))
        self.initialized.fill_(True)


def _bin_of(value: Tensor, knots: Tensor) -> Tensor:
    """Index of the bin of each value (*batch, D), between ``knots`` (bins + 1, D)."""
    if torch.compiler.is_exporting():
        # exporters lack the sorted search, which for so many knots is far faster than counting
        return bin_of(value, knots.reshape(len(knots), *(1,) * (value.ndim - 1), -1))
    columns = value.movedim(-1, 0)
    inner = knots[1:-1].T.contiguous()
    rows = columns.reshape(len(columns), math.prod(value.shape[:-1])).contiguous()
    found = torch.searchsorted(inner, rows, right=True)
    return found.view(columns.shape).movedim(0, -1)


def column_knots(column: Tensor, bins: int) -> Tensor:
    """(3, bins + 1): scores, values and slopes at the knots of one column (rows,)."""
    return _knots(column, bins, _worth(column, bins))


def _worth(column: Tensor, bins: int) -> float:
    """What a knot must be worth, so that rows held out are most likely."""
    held_out = torch.arange(len(column)) % HELD_OUT == 0
    fit, new = column[~held_out], column[held_out]
    if len(fit) < FEWEST_TO_CHOOSE or bool(fit.min() == fit.max()):
        return WORTHS[-1]

    def likelihood(worth: float) -> float:
        layer = NormalScores(1, bins).double()
        layer.knots.copy_(_knots(fit, bins, worth)[:, :, None])
        score, log_slope = layer.inverse(new[:, None])
        return float((log_slope - 0.5 * score[:, 0].square()).mean())

    return max(WORTHS, key=likelihood)


def _knots(column: Tensor, bins: int, worth: float) -> Tensor:
    """The same, for knots that are each worth so many nats over all rows."""
    spread = column.std(unbiased=False)
    spread = torch.where(spread > 0, spread, torch.ones_like(spread))
    values, levels = _levels(column)
    scores = _first_scores(len(column))
    data = _interpolate(torch.special.ndtr(scores), levels, values)
    data = _separated(data, spread * scores.diff().min() / STEEPEST)
    kept = _merged(scores.numpy(), data.numpy(), len(column), bins, worth)
    fine, fine_data = scores, data
    scores, data = scores[kept], data[kept]
    used = len(kept) - 1
    secants = data.diff() / scores.diff()
    low = _tail_slope(column, data[0], -1.0, -float(scores[0]), secants[0])
    high = _tail_slope(column, data[-1], 1.0, float(scores[-1]), secants[-1])
    # secants of the rows near a knot, as far as the narrower of its bins
    near = torch.minimum(scores.diff()[1:], scores.diff()[:-1])
    left = data[1:-1] - _interpolate(scores[1:-1] - near, fine, fine_data)
    right = _interpolate(scores[1:-1] + near, fine, fine_data) - data[1:-1]
    smooth = (left * right).sqrt() / near
    # where the density jumps, the narrower of two bins gives way: it has the fewer rows
    share = scores.diff()[1:] / (scores[2:] - scores[:-2])
    steps = secants.log()
    edge = torch.lerp(steps[:-1], steps[1:], share).exp()
    inner = torch.where(steps.diff().abs() > JUMP, edge, smooth)
    slopes = torch.cat([low[None], inner, high[None]])
    further = torch.arange(1, bins - used + 1, dtype=torch.float64)
    return torch.stack(
        [
            torch.cat([scores, scores[-1] + further]),
            torch.cat([data, data[-1] + high * further]),
            torch.cat([slopes, high.expand(len(further))]),
        ]
    )


def _first_scores(rows: int) -> Tensor:
    """Evenly spaced normal scores, thinned to at least ``BIN_ROWS`` of so many rows in a bin."""
    least = min(BIN_ROWS, rows / 4) / rows
    reach = -float(torch.special.ndtri(torch.tensor(least, dtype=torch.float64)))
    scores = torch.linspace(-reach, reach, MOST_FIRST_BINS + 1, dtype=torch.float64)
    levels = torch.special.ndtr(scores).tolist()
    kept, end = [0], levels[-1]
    for k, level in enumerate(levels):
        if level - levels[kept[-1]] >= least and end - level >= least:
            kept.append(k)
    return scores[[*kept, len(levels) - 1]]


def _merged(x: Array, y: Array, rows: int, most: int, worth: float) -> list[int]:
    """The knots that stay when neighbouring bins are joined as long as the rows do not object.

    A column whose map is a line in a bin has N log(secant) as its negative log-likelihood there,
    N being its rows; joining two bins costs what that sum grows by, each step the cheapest one.
    """
    kept = list(range(len(x)))
    weight = rows * np.diff(torch.special.ndtr(torch.from_numpy(x)).numpy())

    def cost(k: int) -> float:
        """Of removing the inner knot at place k of ``kept``."""
        a, b, c = kept[k - 1 : k + 2]
        left, right = weight[a:b].sum(), weight[b:c].sum()
        joined = np.log((y[c] - y[a]) / (x[c] - x[a]))
        parts = left * np.log((y[b] - y[a]) / (x[b] - x[a]))
        parts += right * np.log((y[c] - y[b]) / (x[c] - x[b]))
        return float((left + right) * joined - parts)

    costs = [math.inf, *(cost(k) for k in range(1, len(kept) - 1)), math.inf]
    while len(kept) - 1 > FEWEST_BINS:
        k = int(np.argmin(costs))
        if len(kept) - 1 <= most and costs[k] > worth:
            break
        del kept[k], costs[k]
        for near in (k - 1, k):
            if 0 < near < len(kept) - 1:
                costs[near] = cost(near)
    return kept


def _levels(column: Tensor) -> tuple[Tensor, Tensor]:
    """The distinct values, and the share of rows below each and half of those at it."""
    values, counts = column.unique(return_counts=True)
    below = counts.cumsum(0) - counts
    return values, (below + 0.5 * counts) / len(column)


def _interpolate(at: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """The polygon through (x, y), x increasing, at points; level beyond its ends."""
    if len(x) == 1:
        return y.expand(len(at)).clone()
    right = torch.searchsorted(x, at).clamp(1, len(x) - 1)
    share = ((at - x[right - 1]) / (x[right] - x[right - 1])).clamp(0, 1)
    return torch.lerp(y[right - 1], y[right], share)


def _separated(values: Tensor, gap: Tensor) -> Tensor:
    """Nondecreasing values moved apart to gaps of at least ``gap``, about where they were."""
    ramp = gap * torch.arange(len(values), dtype=values.dtype)
    up = torch.cummax(values - ramp, 0).values + ramp
    down = torch.cummin((values - ramp).flip(0), 0).values.flip(0) + ramp
    return (up + down) / 2


def _tail_slope(column: Tensor, end: Tensor, side: float, reach: float, secant: Tensor) -> Tensor:
    """Slope of the line beyond a knot: least squares of the rows there on their normal scores."""
    beyond = torch.sort(side * (column - end), descending=True).values
    beyond = beyond[beyond > 0]
    if not len(beyond):
        return secant
    ranks = torch.arange(1, len(beyond) + 1, dtype=torch.float64)
    # Blom's scores of the largest of so many normal numbers
    scores = -torch.special.ndtri((ranks - 3 / 8) / (len(column) + 1 / 4)) - reach
    scores = scores.clamp(min=0)
    if not bool(scores.square().sum() > 0):
        return secant
    slope = (beyond * scores).sum() / scores.square().sum()
    # a tail without spread is no reason for a wall, nor a single far row for a plain
    return torch.minimum(torch.maximum(slope, secant / math.e), secant * STEEPEST)
