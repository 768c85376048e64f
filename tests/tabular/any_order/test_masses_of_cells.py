"""The mass of a normal distribution between two points, against mpmath."""

from __future__ import annotations

import itertools

import mpmath
import pytest
import torch

from diffeo.tabular.any_order.cells import log_mass_between

WIDTHS = (1e-6, 1e-3, 0.03, 0.0999, 0.1001, 0.5, 3.0, 40.0, 600.0)
MIDDLES = (0.0, 1e-3, 0.3, 1.0, 2.5, 3.5, 9.0, 30.0, 100.0, 3000.0)


def _cells(dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    middle, width = torch.tensor(
        [(s * m, w) for m, w, s in itertools.product(MIDDLES, WIDTHS, (-1, 1))], dtype=dtype
    ).t()
    low, high = middle - width / 2, middle + width / 2
    return low[high > low], high[high > low]


def _exact(low: float, high: float) -> mpmath.mpf:
    """log(Phi(high) - Phi(low)), in the lower tail."""
    if low + high > 0:
        low, high = -high, -low
    with mpmath.workdps(60):
        ends = [mpmath.erfc(-mpmath.mpf(z) / mpmath.sqrt(2)) for z in (low, high)]
        return mpmath.log((ends[1] - ends[0]) / 2)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 2e-6)])
def test_masses_are_exact_in_any_cell(dtype: torch.dtype, tolerance: float) -> None:
    low, high = _cells(dtype)
    found = log_mass_between(low, high)
    assert found.dtype == dtype
    for a, b, value in zip(low.tolist(), high.tolist(), found.tolist(), strict=True):
        expected = _exact(a, b)
        assert abs(value - expected) <= tolerance * (1 + abs(expected)), (a, b)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-6), (torch.float32, 1e-3)])
def test_gradients_are_the_hazards_at_the_ends(dtype: torch.dtype, tolerance: float) -> None:
    """d/dhigh = phi(high) / mass and d/dlow = -phi(low) / mass."""
    low, high = _cells(dtype)
    wide = high - low > 0.02  # of narrower cells, each gradient is 1 / width, and they cancel
    low, high = low[wide].requires_grad_(), high[wide].requires_grad_()
    found = torch.autograd.grad(log_mass_between(low, high).sum(), (low, high))
    for a, b, *slopes in zip(*(t.tolist() for t in (low, high, *found)), strict=True):
        with mpmath.workdps(60):
            mass = mpmath.exp(_exact(a, b))
            expected = [-mpmath.npdf(a) / mass, mpmath.npdf(b) / mass]
        size = 1 + max(map(abs, expected))
        for slope, truth in zip(slopes, expected, strict=True):
            assert abs(slope - truth) <= tolerance * size, (a, b)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_cells_that_tile_the_line_have_mass_one(dtype: torch.dtype) -> None:
    edges = torch.cat(
        [
            torch.tensor([-1e4, -40.0]),
            torch.linspace(-12, -2, 400),
            torch.linspace(-1.99, 2, 20),
            torch.linspace(2.01, 12, 300),
            torch.tensor([40.0, 1e4]),
        ]
    ).to(dtype)
    mass = log_mass_between(edges[:-1], edges[1:]).exp().sum()
    torch.testing.assert_close(mass, torch.ones((), dtype=dtype))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_ends_that_round_to_one_number_stay_finite(dtype: torch.dtype) -> None:
    low = torch.tensor([3.0, 5e4, -2e7, -1e4], dtype=dtype, requires_grad=True)
    high = torch.tensor([3.0, 5e4, -2e7, 1e4], dtype=dtype, requires_grad=True)
    found = log_mass_between(low, high)
    assert bool(found.isfinite().all())
    for slope in torch.autograd.grad(found.sum(), (low, high)):
        assert bool(slope.isfinite().all())
