"""Every spline: what all share, and each against its paper's formula."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from diffeo.univariates import (
    CubicSpline,
    LinearRationalSpline,
    LinearSpline,
    QuadraticSpline,
    RationalQuadraticSpline,
)
from diffeo.univariates.spline import Spline

ALL: list[type[Spline]] = [
    LinearSpline,
    QuadraticSpline,
    CubicSpline,
    LinearRationalSpline,
    RationalQuadraticSpline,
]
LOW, HIGH, BINS = -2.0, 3.0, 5


def draw(spline: Spline, count: int, sd: float = 1.0, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return sd * torch.randn(spline.num_params, count, generator=generator, dtype=torch.float64)


def positions(logits: list[float], least: float = 1e-3) -> list[float]:
    """Knots from ``LOW`` to ``HIGH``, in plain Python."""
    weights = [math.exp(v) for v in logits]
    shares = [least + (1 - least * len(logits)) * w / sum(weights) for w in weights]
    return [LOW + (HIGH - LOW) * s for s in itertools.accumulate(shares, initial=0.0)]


def bound(raw: float) -> float:
    """exp of the smoothly bounded logarithm."""
    return math.exp(math.log(1e3) * math.tanh(raw / math.log(1e3)))


def points(count: int = 201) -> Tensor:
    """Points of the interval, none of them on a knot."""
    return torch.linspace(LOW + 1e-3, HIGH - 1e-3, count, dtype=torch.float64)


def evaluate(spline: Spline, raw: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    return spline.forward(x, raw.expand(-1, len(x)))


def bin_of(value: float, knots: list[float]) -> int:
    return max(k for k in range(len(knots) - 1) if k == 0 or value >= knots[k])


# what all of them share


@pytest.mark.parametrize("cls", ALL)
@settings(max_examples=20, deadline=None)
@given(
    bins=st.integers(3, 20),
    low=st.floats(-100, 99),
    width=st.floats(0.1, 100),
    sd=st.floats(0, 6),
    seed=st.integers(0, 2**30),
)
def test_monotone_finite_and_invertible(
    cls: type[Spline], bins: int, low: float, width: float, sd: float, seed: int
) -> None:
    spline = cls(bins, (low, low + width))
    generator = torch.Generator().manual_seed(seed)
    params = sd * torch.randn(spline.num_params, 1, generator=generator, dtype=torch.float64)
    share = torch.rand(300, generator=generator, dtype=torch.float64)
    x = (low + width * (1.4 * share - 0.2)).sort().values
    y, ladj = spline.forward(x, params.expand(-1, 300))
    again, inverse = spline.inverse(y, params.expand(-1, 300))
    # one rounding may go the other way where bins meet
    step = torch.finfo(x.dtype).eps * (1 + abs(low) + width)
    assert float(y.diff().min()) >= -4 * step
    assert bool(ladj.isfinite().all())
    # rounding y moves x by as much as the inverse is steep
    assert bool(((again - x).abs() <= 1e3 * step * (1 + inverse.exp())).all())
    inside = (x > low) & (x < low + width)
    assert torch.equal(y[~inside], x[~inside])
    assert not bool(ladj[~inside].any())
    # the jumps of a linear spline's slope make opposite bins of a point on a knot
    if cls is not LinearSpline:
        assert float((ladj + inverse).abs().max()) <= 1e-4


@pytest.mark.parametrize("cls", ALL)
def test_zero_parameters_give_the_identity(cls: type[Spline]) -> None:
    spline = cls()
    x = torch.linspace(-6, 6, 101, dtype=torch.float64)
    zero = torch.zeros(spline.num_params, 101, dtype=torch.float64)
    for act in (spline.forward, spline.inverse):
        y, ladj = act(x, zero)
        torch.testing.assert_close(y, x, rtol=0, atol=1e-14)
        assert float(ladj.abs().max()) < 1e-14


@pytest.mark.parametrize("cls", ALL)
def test_every_parameter_counts(cls: type[Spline]) -> None:
    spline = cls(BINS, (LOW, HIGH))
    raw = draw(spline, 1).requires_grad_()
    x = points(50)
    y, _ = evaluate(spline, raw, x)
    weights = torch.linspace(1, 2, 50, dtype=torch.float64) ** 2
    (gradient,) = torch.autograd.grad((weights * y).sum(), raw)
    assert bool((gradient.abs() > 1e-6).all())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("cls", ALL)
def test_gradients_at_knots_ends_and_wild_parameters(cls: type[Spline], dtype: torch.dtype) -> None:
    spline = cls(BINS, (LOW, HIGH))
    for sd in (0.0, 1.0, 5.0):
        raw = draw(spline, 40, sd).to(dtype)
        tables = spline._tables(raw).expand(-1, BINS + 1, 40)
        far = torch.tensor([LOW, HIGH, 1e6, -1e6], dtype=dtype)[:, None].expand(4, 40)
        for by, act in enumerate((spline.forward, spline.inverse)):
            on = torch.cat([tables[by], far])
            for x in (on, on.nextafter(on + 1), on.nextafter(on - 1)):
                x = x.clone().requires_grad_()
                params = raw[:, None].expand(-1, *x.shape).clone().requires_grad_()
                value, ladj = act(x, params)
                for part in (value, ladj):
                    assert bool(part.isfinite().all())
                    gradients = torch.autograd.grad(
                        part.sum(), (x, params), retain_graph=True, materialize_grads=True
                    )
                    assert all(bool(g.isfinite().all()) for g in gradients)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("cls", ALL)
def test_enormous_parameters_stay_finite(cls: type[Spline], dtype: torch.dtype) -> None:
    spline = cls()
    raw = draw(spline, 500).sign().to(dtype) * 1e6
    x = torch.linspace(-5.5, 5.5, 500, dtype=dtype)
    for act in (spline.forward, spline.inverse):
        value, ladj = act(x, raw)
        assert bool(value.isfinite().all())
        assert bool(ladj.isfinite().all())
        assert bool((value.abs() <= 5.5 + 1e-4).all())


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bins": 1}, "needs at least"),
        ({"bins": 8, "min_fraction": 0.2}, "no room for 8 bins"),
        ({"interval": (1.0, -1.0)}, "low < high"),
    ],
)
def test_impossible_splines_say_why(
    cls: type[Spline], arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        cls(**arguments)


def test_a_quadratic_spline_of_two_bins_could_only_be_the_identity() -> None:
    with pytest.raises(ValueError, match="QuadraticSpline needs at least 3 bins, got 2"):
        QuadraticSpline(2)


@pytest.mark.parametrize("cls", [QuadraticSpline, LinearRationalSpline, RationalQuadraticSpline])
def test_tails_join_with_slope_one(cls: type[Spline]) -> None:
    spline = cls(BINS, (LOW, HIGH))
    raw = draw(spline, 100)
    for end, inward in ((LOW, 1e-9), (HIGH, -1e-9)):
        _, ladj = spline.forward(torch.full((100,), end + inward, dtype=torch.float64), raw)
        assert float(ladj.abs().max()) < 1e-5


# each against its formula, in plain Python


def test_linear_spline_interpolates() -> None:
    spline = LinearSpline(BINS, (LOW, HIGH))
    raw, x = draw(spline, 1, 2.0), points()
    y, ladj = evaluate(spline, raw, x)
    ys, xs = positions(raw[:, 0].tolist()), positions([0.0] * BINS)
    for point, found, log_slope in zip(x.tolist(), y.tolist(), ladj.tolist(), strict=True):
        k = bin_of(point, xs)
        slope = (ys[k + 1] - ys[k]) / (xs[k + 1] - xs[k])
        assert found == pytest.approx(ys[k] + slope * (point - xs[k]), abs=1e-12)
        assert log_slope == pytest.approx(math.log(slope), abs=1e-12)


def test_quadratic_spline_is_the_integral_of_a_piecewise_linear_density() -> None:
    spline = QuadraticSpline(BINS, (LOW, HIGH))
    raw = draw(spline, 1, 2.0)
    xs = positions(raw[:BINS, 0].tolist())
    y, ladj = evaluate(spline, raw, torch.tensor(xs[1:-1], dtype=torch.float64))
    inner = [1.0, *ladj.exp().tolist(), 1.0]
    heights = [0.5 * (xs[k + 1] - xs[k]) * (inner[k] + inner[k + 1]) for k in range(BINS)]
    assert sum(heights) == pytest.approx(HIGH - LOW, abs=1e-12)
    expected = list(itertools.accumulate(heights, initial=LOW))[1:-1]
    assert y.tolist() == pytest.approx(expected, abs=1e-12)
    # slopes above their floor are in the ratio of their parameters
    over = [(v - 1e-3) / bound(r) for v, r in zip(inner[1:-1], raw[BINS:, 0].tolist(), strict=True)]
    assert over == pytest.approx([over[0]] * (BINS - 1), rel=1e-9)
    # between knots the slope is linear
    for k in range(BINS):
        x = xs[k] + (xs[k + 1] - xs[k]) * torch.tensor([0.25, 0.5, 0.75], dtype=torch.float64)
        slopes = evaluate(spline, raw, x)[1].exp().tolist()
        line = [inner[k] + t * (inner[k + 1] - inner[k]) for t in (0.25, 0.5, 0.75)]
        assert slopes == pytest.approx(line, rel=1e-12)


def steffen(xs: list[float], ys: list[float]) -> list[float]:
    """The slopes of the 1990 paper, with its signs and moduli; the ends as documented."""
    h = [b - a for a, b in itertools.pairwise(xs)]
    s = [(b - a) / w for (a, b), w in zip(itertools.pairwise(ys), h, strict=True)]
    slopes = [min(1.0, 2 * s[0])]
    for i in range(1, len(h)):
        p = (s[i - 1] * h[i] + s[i] * h[i - 1]) / (h[i - 1] + h[i])
        signs = math.copysign(1, s[i - 1]) + math.copysign(1, s[i])
        slopes.append(signs * min(abs(s[i - 1]), abs(s[i]), abs(p) / 2))
    return [*slopes, min(1.0, 2 * s[-1])]


@pytest.mark.parametrize("seed", range(4))
def test_cubic_spline_is_hermites_with_steffens_slopes(seed: int) -> None:
    spline = CubicSpline(BINS, (LOW, HIGH))
    raw, x = draw(spline, 1, 1.5, seed), points()
    y, ladj = evaluate(spline, raw, x)
    xs, ys = positions(raw[:BINS, 0].tolist()), positions(raw[BINS:, 0].tolist())
    d = steffen(xs, ys)
    for point, found, log_slope in zip(x.tolist(), y.tolist(), ladj.tolist(), strict=True):
        k = bin_of(point, xs)
        h, rise = xs[k + 1] - xs[k], ys[k + 1] - ys[k]
        s, z = rise / h, point - xs[k]
        # the powers of z, as in section 2 of the paper
        a, b = (d[k] + d[k + 1] - 2 * s) / h**2, (3 * s - 2 * d[k] - d[k + 1]) / h
        assert found == pytest.approx(ys[k] + d[k] * z + b * z**2 + a * z**3, abs=1e-11)
        assert log_slope == pytest.approx(math.log(d[k] + 2 * b * z + 3 * a * z**2), abs=1e-9)


def test_cubic_spline_joins_the_tails_smoothly_unless_its_last_bin_is_flat() -> None:
    spline = CubicSpline(4, (0.0, 4.0))
    raw = torch.zeros(8, 2, dtype=torch.float64)
    raw[4, 1] = -3.0  # a low first bin
    near = torch.full((2,), 1e-9, dtype=torch.float64)
    ladj = spline.forward(near, raw)[1]
    assert float(ladj[0]) == pytest.approx(0, abs=1e-6)
    secant = spline.forward(torch.ones(2, dtype=torch.float64), raw)[0][1]
    assert float(secant) < 0.5
    assert float(ladj[1]) == pytest.approx(math.log(2 * secant), abs=1e-6)


def test_linear_rational_spline_follows_the_paper() -> None:
    spline = LinearRationalSpline(BINS, (LOW, HIGH))
    raw, x = draw(spline, 1), points()
    y, ladj = evaluate(spline, raw, x)
    column = raw[:, 0].tolist()
    xs, ys = positions(column[:BINS]), positions(column[BINS : 2 * BINS])
    d = [1.0, *map(bound, column[2 * BINS : 3 * BINS - 1]), 1.0]
    pieces = [0.01 + 0.98 / (1 + math.exp(-v)) for v in column[3 * BINS - 1 :]]
    for point, found, log_slope in zip(x.tolist(), y.tolist(), ladj.tolist(), strict=True):
        k = bin_of(point, xs)
        cut, h = pieces[k], xs[k + 1] - xs[k]
        s, t = (ys[k + 1] - ys[k]) / h, (point - xs[k]) / h
        wa, wb = 1.0, math.sqrt(d[k] / d[k + 1])
        wc = (cut * wa * d[k] + (1 - cut) * wb * d[k + 1]) / s
        ya, yb = ys[k], ys[k + 1]
        yc = ((1 - cut) * wa * ya + cut * wb * yb) / ((1 - cut) * wa + cut * wb)
        if t <= cut:
            bottom = wa * (cut - t) + wc * t
            y_paper = (wa * ya * (cut - t) + wc * yc * t) / bottom
            slope = cut * wa * wc * (yc - ya) / bottom**2 / h
        else:
            bottom = wc * (1 - t) + wb * (t - cut)
            y_paper = (wc * yc * (1 - t) + wb * yb * (t - cut)) / bottom
            slope = (1 - cut) * wb * wc * (yb - yc) / bottom**2 / h
        assert found == pytest.approx(y_paper, abs=1e-11)
        assert log_slope == pytest.approx(math.log(slope), abs=1e-9)


def test_linear_rational_spline_has_a_continuous_slope() -> None:
    spline = LinearRationalSpline(BINS, (LOW, HIGH))
    raw = draw(spline, 1)
    jumps = []
    for count in (50_001, 200_001):
        x = torch.linspace(LOW, HIGH, count, dtype=torch.float64)
        jumps.append(float(evaluate(spline, raw, x)[1].diff().abs().max()))
    # a jump would not shrink with the spacing of the points
    assert jumps[1] < 0.3 * jumps[0]
