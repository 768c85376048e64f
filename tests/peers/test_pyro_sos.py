"""Sums of squares against Pyro's Polynomial, in float64. Pyro has no inverse of it.

Pyro adds 1e-8 to the slope in its log-det but not in its value, where ours has a floor of 1e-3 in
both: our floor enters Pyro as one more square, the constant root of the floor.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from diffeo.univariates import SumOfSquares
from diffeo.univariates.sos import LEAST_SLOPE

pyro = pytest.importorskip("pyro.distributions.transforms", reason="needs pyro (a peer)")

DEGREE, TERMS, BOUND, COUNT = 3, 2, 4.0, 200


class Given(torch.nn.Module):
    """In place of an autoregressive network: the same coefficients for every row."""

    def __init__(self, values: Tensor) -> None:
        super().__init__()
        self.values = values

    def forward(self, x: Tensor) -> Tensor:
        return self.values.expand(len(x), *self.values.shape)


def test_polynomial(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = SumOfSquares(DEGREE, TERMS, (-BOUND, BOUND))
    generator = torch.Generator().manual_seed(0)
    params = torch.randn(ours.num_params, 1, generator=generator, dtype=torch.float64)
    x = BOUND * (2 * torch.rand(COUNT, 1, generator=generator, dtype=torch.float64) - 1)
    powers = BOUND ** -torch.arange(DEGREE + 1, dtype=torch.float64)
    a = math.sqrt(1 - LEAST_SLOPE) * ours.coefficients(params)[..., 0] * powers
    floor = torch.zeros(1, DEGREE + 1, dtype=torch.float64)
    floor[0, 0] = math.sqrt(LEAST_SLOPE)
    each = torch.cat([a, floor]).reshape(-1, 1)
    # its tables of 1 / power are made in torch's default dtype
    monkeypatch.setattr(torch, "get_default_dtype", lambda: torch.float64)
    transform = pyro.Polynomial(Given(each), 1, DEGREE, TERMS + 1).double()
    transform.c.data = params[0]
    y, log_slope = ours.forward(x, params[..., None])
    expected = transform(x)
    assert torch.allclose(y, expected, rtol=1e-10)
    slopes = transform.log_abs_det_jacobian(x, expected)
    assert torch.allclose(log_slope[:, 0], slopes, atol=1e-7)
