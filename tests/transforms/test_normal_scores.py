"""NormalScores: columns become normal, ties and few rows do no harm."""

from __future__ import annotations

import pytest
import torch
from scipy import stats
from torch import Tensor

import diffeo
from diffeo.transforms import NormalScores, Sequential, Standardize


def _draws(name: str, rows: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(rows, 1, generator=generator, dtype=torch.float64)
    side = torch.rand(rows, 1, generator=generator, dtype=torch.float64) < 0.5
    return {
        "log-normal": noise.exp(),
        "two peaks": noise * 0.3 + 4 * side,
        "heavy tails": torch.sinh(2 * noise),
        "far from zero": 1000 + 0.01 * noise,
    }[name]


def _fitted(data: Tensor, bins: int = 32) -> NormalScores:
    layer = NormalScores(data.shape[1], bins).double()
    layer.initialize(data)
    return layer


def _log_density(layer: NormalScores, y: Tensor) -> Tensor:
    x, ladj = layer.inverse(y)
    return torch.distributions.Normal(0.0, 1.0).log_prob(x).sum(-1) + ladj


@pytest.mark.parametrize("name", ["log-normal", "two peaks", "heavy tails", "far from zero"])
def test_new_rows_become_normal(name: str) -> None:
    layer = _fitted(_draws(name, 5000))
    x, _ = layer.inverse(_draws(name, 5000, seed=1))
    # the 0.1 % point of the statistic of two samples of 5000 is 0.039; and the spline smooths
    assert stats.kstest(x[:, 0].numpy(), "norm").statistic < 0.06


def test_a_normal_column_costs_little() -> None:
    torch.manual_seed(0)
    data, new = torch.randn(2, 4000, 1, dtype=torch.float64).unbind(0)
    truth = torch.distributions.Normal(0.0, 1.0).log_prob(new).mean()
    assert truth - _log_density(_fitted(data), new).mean() < 0.04


@pytest.mark.parametrize("rows", [20, 100, 500])
def test_few_rows_overfit_little(rows: int) -> None:
    torch.manual_seed(0)
    data = torch.randn(rows, 1, dtype=torch.float64)
    new = torch.randn(4000, 1, dtype=torch.float64)
    truth = torch.distributions.Normal(0.0, 1.0).log_prob(new).mean()
    assert truth - _log_density(_fitted(data), new).mean() < 50 / rows


def test_few_rows_use_few_bins() -> None:
    def curved(rows: int) -> int:
        # the rest of the knots go on along the upper line
        return int((_fitted(torch.randn(rows, 1)).knots[2, :, 0].diff().abs() > 1e-12).sum())

    assert curved(100) < 26 < curved(50_000) <= 64


@pytest.mark.parametrize(
    "column",
    [
        torch.zeros(50),
        torch.arange(100).remainder(2),
        torch.cat([torch.zeros(900), torch.rand(100)]),
        torch.tensor([0.0] * 99 + [1e6]),
        torch.tensor([1.0, 2.0]),
    ],
    ids=["constant", "two values", "a spike", "one far row", "two rows"],
)
def test_ties_and_far_rows_leave_a_proper_map(column: Tensor) -> None:
    data = column.double()[:, None]
    layer = _fitted(data)
    grid = torch.linspace(-8, 8, 200, dtype=torch.float64)[:, None]
    y, ladj = layer(grid)
    assert bool((y.diff(dim=0) > 0).all())
    assert bool(ladj.isfinite().all())
    torch.testing.assert_close(layer.inverse(y)[0], grid, rtol=1e-5, atol=1e-5)


def test_initialize_acts_once() -> None:
    layer = _fitted(torch.randn(100, 2, dtype=torch.float64))
    before = layer.knots.clone()
    layer.initialize(torch.rand(100, 2, dtype=torch.float64))
    assert torch.equal(before, layer.knots)


def test_one_row_says_nothing_about_a_spread() -> None:
    layer = NormalScores(2)
    layer.initialize(torch.ones(1, 2))
    assert not bool(layer.initialized)


def test_too_few_bins() -> None:
    with pytest.raises(ValueError, match="at least 4 bins, got 3"):
        NormalScores(2, bins=3)


def test_a_flow_keeps_it_in_its_file(tmp_path: object) -> None:
    data = torch.randn(500, 2).exp()
    flow = diffeo.Flow(
        diffeo.bases.StandardNormal(2), Sequential(NormalScores(2, bins=16), Standardize(2))
    )
    flow.initialize(data)
    path = f"{tmp_path}/m.safetensors"
    flow.save(path)
    assert torch.equal(diffeo.load(path).log_prob(data), flow.log_prob(data))
