"""LinearResiduals: finds the columns that are sums of others, and leaves the rest alone."""

from __future__ import annotations

import torch

from diffeo.transforms import LinearResiduals


def _fitted(data: torch.Tensor) -> LinearResiduals:
    layer = LinearResiduals(data.shape[1]).double()
    layer.initialize(data)
    return layer


def test_a_sum_of_columns_is_regressed_in_their_own_units() -> None:
    torch.manual_seed(0)
    x = torch.randn(1000, 2, dtype=torch.float64).exp() * torch.tensor([100.0, 0.01]) + 7
    total = 2 * x[:, 0] - 3000 * x[:, 1] + 1e-3 * torch.randn(1000)
    layer = _fitted(torch.cat([x, total[:, None]], dim=1))
    torch.testing.assert_close(
        layer.weight[2], torch.tensor([2.0, -3000.0, 0.0], dtype=torch.float64), rtol=1e-4, atol=0.1
    )
    assert float(layer.weight[:2].abs().max()) < 1e-6


def test_spikes_stay_where_they_are() -> None:
    torch.manual_seed(0)
    first = torch.randn(2000, 1, dtype=torch.float64)
    spiky = torch.where(first > 0, first, 0.0) + 1e-4 * torch.rand(2000, 1, dtype=torch.float64)
    # correlated, but a residual would smear the half of the rows that are 0
    assert not bool(_fitted(torch.cat([first, spiky], dim=1)).weight.any())


def test_independent_columns_stay() -> None:
    torch.manual_seed(0)
    assert not bool(_fitted(torch.randn(500, 5, dtype=torch.float64)).weight.any())


def test_too_few_rows_change_nothing() -> None:
    layer = _fitted(torch.randn(10, 5, dtype=torch.float64).cumsum(1))
    assert not bool(layer.initialized)


def test_initialize_acts_once() -> None:
    torch.manual_seed(0)
    layer = _fitted(torch.randn(300, 3, dtype=torch.float64))
    assert bool(layer.initialized)
    layer.initialize((torch.randn(300, 3, dtype=torch.float64)).cumsum(1))
    assert not bool(layer.weight.any())
