"""The circular spline against normflows', which shares the slope at the seam in the same way."""

from __future__ import annotations

import math

import pytest
import torch

splines = pytest.importorskip(
    "normflows.utils.splines", reason="normflows is in the peers' environment"
)

from diffeo.univariates import CircularRationalQuadraticSpline  # noqa: E402
from diffeo.univariates.bounded import soft_bound  # noqa: E402

BINS, LEAST = 6, 1e-3


def _both(inverse: bool) -> tuple[tuple[torch.Tensor, ...], tuple[torch.Tensor, ...]]:
    spline = CircularRationalQuadraticSpline(BINS, min_fraction=LEAST)
    params = torch.randn(spline.num_params, 500, dtype=torch.float64)
    x = math.pi * (2 * torch.rand(500, dtype=torch.float64) - 1)
    ours = (spline.inverse if inverse else spline.forward)(x, params)
    # theirs are softplus of the raw numbers above a least slope
    slopes = soft_bound(params[2 * BINS :]).exp()
    raw = torch.log(torch.expm1(slopes - 1e-3))
    theirs = splines.unconstrained_rational_quadratic_spline(
        x,
        params[:BINS].T,
        params[BINS : 2 * BINS].T,
        raw.T,
        inverse=inverse,
        tails="circular",
        tail_bound=math.pi,
        min_bin_width=LEAST,
        min_bin_height=LEAST,
        min_derivative=1e-3,
    )
    return ours, theirs


@pytest.mark.parametrize("inverse", [False, True])
def test_values_and_slopes_agree(inverse):
    ours, theirs = _both(inverse)
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-8, atol=1e-8)
