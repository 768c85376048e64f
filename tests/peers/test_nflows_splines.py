"""Splines against nflows', with the same knots and slopes, in float64 and both directions.

What differs by nflows' choice, and how the tests meet it:

- its linear spline knows no least height, so its logits are computed for ours; its inverse widens
  the last bin by 1e-6 and does not return there (a test shows it): that bin is left out;
- its slopes are softplus, ours the exponential of a bounded number;
- its unconstrained quadratic spline means to set the slopes at the ends to 1, but counts the end
  bins half, so that they are not (a test shows it): it is compared without tails, with all slopes
  given;
- its cubic spline learns the slopes at the ends as a share of 3 s: they are set to ours.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from diffeo.univariates import (
    CubicSpline,
    LinearSpline,
    QuadraticSpline,
    RationalQuadraticSpline,
)
from diffeo.univariates.spline import Spline

splines = pytest.importorskip("nflows.transforms.splines", reason="needs nflows (a peer)")
# the package exports the variants with tails, its module the ones without
quadratic = pytest.importorskip("nflows.transforms.splines.quadratic")

BINS, BOUND, LEAST = 8, 3.0, 1e-3
SIZE = math.log(1e3)
Theirs = Callable[..., tuple[Tensor, Tensor]]


def draw(cls: type[Spline], seed: int = 0) -> tuple[Spline, Tensor, Tensor]:
    """A spline, 500 columns of parameters, and 500 points, some of them in the tails."""
    spline = cls(BINS, (-BOUND, BOUND), LEAST)
    generator = torch.Generator().manual_seed(seed)
    raw = torch.randn(spline.num_params, 500, generator=generator, dtype=torch.float64)
    x = 2 * torch.randn(500, generator=generator, dtype=torch.float64)
    return spline, raw, x


def slopes(raw: Tensor) -> Tensor:
    return (SIZE * torch.tanh(raw / SIZE)).exp()


def shares(raw: Tensor) -> Tensor:
    return LEAST + (1 - LEAST * BINS) * raw.softmax(0)


def unsoftplus(value: Tensor) -> Tensor:
    return value + torch.log(-torch.expm1(-value))


def agree(spline: Spline, raw: Tensor, x: Tensor, theirs: Theirs, atol: float = 1e-8) -> None:
    for act, inverse in ((spline.forward, False), (spline.inverse, True)):
        for ours, other in zip(act(x, raw), theirs(x, inverse=inverse), strict=True):
            torch.testing.assert_close(ours, other, rtol=0, atol=atol)


def test_linear() -> None:
    spline, raw, x = draw(LinearSpline)
    theirs = partial(
        splines.unconstrained_linear_spline,
        unnormalized_pdf=shares(raw).log().T,
        tail_bound=BOUND,
    )
    agree(spline, raw, x.masked_fill(in_last_bin(raw, x), 0.001 - BOUND), theirs)


def in_last_bin(heights: Tensor, y: Tensor) -> Tensor:
    return (y > BOUND - 2 * BOUND * shares(heights)[-1]) & (y < BOUND)


def test_the_last_bin_of_nflows_linear_spline_does_not_return() -> None:
    """The reason why the test above keeps away from it."""
    spline, raw, x = draw(LinearSpline)
    theirs = partial(
        splines.unconstrained_linear_spline,
        unnormalized_pdf=shares(raw).log().T,
        tail_bound=BOUND,
    )
    y, _ = theirs(x)
    error = (theirs(y, inverse=True)[0] - x).abs()
    last = in_last_bin(raw, y)
    assert float(error[last].max()) > 1e-6
    assert float(error[~last].max()) < 1e-12
    assert float((spline.inverse(y, raw)[0] - x).abs().max()) < 1e-12


def test_rational_quadratic() -> None:
    spline, raw, x = draw(RationalQuadraticSpline)
    theirs = partial(
        splines.unconstrained_rational_quadratic_spline,
        unnormalized_widths=raw[:BINS].T,
        unnormalized_heights=raw[BINS : 2 * BINS].T,
        unnormalized_derivatives=unsoftplus(slopes(raw[2 * BINS :]) - LEAST).T,
        tail_bound=BOUND,
        min_bin_width=LEAST,
        min_bin_height=LEAST,
        min_derivative=LEAST,
    )
    agree(spline, raw, x, theirs)


def test_quadratic_inside_the_interval() -> None:
    spline, raw, x = draw(QuadraticSpline)
    width, inner = shares(raw[:BINS]), slopes(raw[BINS:])
    # the slopes before their floor: 1 at the ends, and 1 on average
    area = (inner * (width[:-1] + width[1:]) / 2).sum(0)
    inner = inner * (1 - (width[0] + width[-1]) / 2) / area
    end = torch.ones_like(inner[:1])
    heights = torch.cat([end, inner, end])
    theirs = partial(
        quadratic.quadratic_spline,
        unnormalized_widths=raw[:BINS].T,
        # it adds 1e-3
        unnormalized_heights=unsoftplus(heights - 1e-3).T,
        left=-BOUND,
        right=BOUND,
        bottom=-BOUND,
        top=BOUND,
        min_bin_width=LEAST,
        min_bin_height=LEAST,
    )
    agree(spline, raw, x.clamp(0.001 - BOUND, BOUND - 0.001), theirs)


def test_the_tails_of_nflows_quadratic_spline_do_not_join() -> None:
    """The reason why the test above gives it the slopes at the ends."""
    spline, raw, _ = draw(QuadraticSpline)
    x = torch.full((500,), BOUND - 1e-9, dtype=torch.float64)
    _, theirs = splines.unconstrained_quadratic_spline(
        x, raw[:BINS].T, unsoftplus(slopes(raw[BINS:])).T, tail_bound=BOUND
    )
    assert float(theirs.abs().max()) > 0.05
    assert float(spline.forward(x, raw)[1].abs().max()) < 1e-5


@pytest.mark.parametrize("seed", range(3))
def test_cubic(seed: int) -> None:
    spline, raw, x = draw(CubicSpline, seed)
    secant = shares(raw[BINS:]) / shares(raw[:BINS])
    ends = (secant[[0, -1]] * 2).clamp(max=1) / (3 * secant[[0, -1]])
    theirs = partial(
        splines.unconstrained_cubic_spline,
        unnormalized_widths=raw[:BINS].T,
        unnormalized_heights=raw[BINS:].T,
        unnorm_derivatives_left=ends[0].logit()[:, None],
        unnorm_derivatives_right=ends[1].logit()[:, None],
        tail_bound=BOUND,
        min_bin_width=LEAST,
        min_bin_height=LEAST,
        # its inverse drops the cubic term below this, 1e-3 by default
        quadratic_threshold=1e-9,
    )
    agree(spline, raw, x, theirs, atol=1e-6)


def test_unsoftplus_is_what_it_says() -> None:
    value = torch.tensor([1e-3, 1.0, 50.0], dtype=torch.float64)
    torch.testing.assert_close(F.softplus(unsoftplus(value)), value)
