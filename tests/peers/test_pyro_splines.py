"""The linear-rational spline against pyro's, with the same knots, slopes and pieces, in float64.

pyro ends its splines with slope 1 - min_derivative = 0.999, so its tails do not join; a
``min_derivative`` of 0 makes it 1, as here. Its slopes are softplus, ours the exponential of a
bounded number: it is given numbers after these maps.
"""

from __future__ import annotations

import math

import pytest
import torch

from diffeo.univariates import LinearRationalSpline

spline = pytest.importorskip("pyro.distributions.transforms.spline", reason="needs pyro (a peer)")

BINS, BOUND = 6, 3.0


@pytest.mark.parametrize("inverse", [False, True])
def test_linear_rational(inverse: bool) -> None:
    ours = LinearRationalSpline(BINS, (-BOUND, BOUND))
    generator = torch.Generator().manual_seed(0)
    raw = torch.randn(ours.num_params, 500, generator=generator, dtype=torch.float64)
    x = 2 * torch.randn(500, generator=generator, dtype=torch.float64)
    width, height, slope, piece = raw.split([BINS, BINS, BINS - 1, BINS])
    bound = math.log(1e3)
    expected = spline._monotonic_rational_spline(
        x,
        width.softmax(0).T,
        height.softmax(0).T,
        (bound * torch.tanh(slope / bound)).exp().T,
        piece.sigmoid().T,
        inverse=inverse,
        bound=BOUND,
        min_derivative=0.0,
        min_lambda=0.01,
        eps=0.0,
    )
    found = ours.inverse(x, raw) if inverse else ours.forward(x, raw)
    for value, other in zip(found, expected, strict=True):
        torch.testing.assert_close(value, other, rtol=0, atol=1e-8)
