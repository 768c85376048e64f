"""NAF, UNAF, SOSFlow, BernsteinFlow and Gaussianization: fits of known densities."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import diffeo

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))
from toy_densities import TOYS

MODELS = {
    "NAF": (diffeo.NAF, {}, 3e-3),
    "NAF dense": (diffeo.NAF, {"dense": True, "layers": 2}, 3e-3),
    "UNAF": (diffeo.UNAF, {}, 3e-3),
    "SOSFlow": (diffeo.SOSFlow, {}, 3e-3),
    "BernsteinFlow": (diffeo.BernsteinFlow, {}, 3e-3),
    # without networks, its parameters are learned directly
    "Gaussianization": (diffeo.Gaussianization, {}, 2e-2),
}


def bimodal(rows: int, generator: torch.Generator) -> Tensor:
    side = 2.0 * torch.randint(2, (rows, 1), generator=generator) - 1
    return 2 * side + 0.5 * torch.randn(rows, 1, generator=generator)


def bimodal_log_prob(x: Tensor) -> Tensor:
    normal = torch.distributions.Normal(torch.tensor([-2.0, 2.0]), 0.5)
    return torch.logsumexp(normal.log_prob(x), dim=-1) - math.log(2)


def build(name: str, features: int, **more: Any) -> tuple[diffeo.Flow, dict[str, Any]]:
    model, options, lr = MODELS[name]
    fit = {"lr": lr, "batch_size": 256, "seed": 0, "progress": False}
    return model(features, seed=0, **options, **more), fit


@pytest.mark.parametrize("name", MODELS)
def test_a_bimodal_density_in_one_dimension(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    flow, options = build(name, 1)
    flow.fit(bimodal(4000, generator), epochs=15, **options)
    x = bimodal(20_000, generator)
    gap = bimodal_log_prob(x) - flow.log_prob(x).detach()
    assert float(gap.mean()) < 0.1
    # samples go through the numerical inverses
    y = flow.sample(4000, seed=0)
    assert float((y > 0).float().mean()) == pytest.approx(0.5, abs=0.05)
    assert float((y.abs() - 2).std()) == pytest.approx(0.5, abs=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_two_moons(name: str) -> None:
    toy = TOYS["moons"]
    flow, options = build(name, 2)
    x = toy.sample(20_000, torch.Generator().manual_seed(1)).float()
    flow.fit(x, epochs=20, **options)
    x = toy.sample(20_000, torch.Generator().manual_seed(2))
    gap = toy.log_prob(x) - flow.log_prob(x.float()).detach()
    assert float(gap.mean()) < 0.1


@pytest.mark.parametrize("name", MODELS)
def test_a_context_moves_the_density(name: str) -> None:
    """x = c + 0.3 noise: the conditional density is learned, not the marginal one."""
    generator = torch.Generator().manual_seed(0)
    c = torch.randn(3000, 1, generator=generator)
    x = c + 0.3 * torch.randn(3000, 1, generator=generator)
    flow, options = build(name, 1, context=1, hidden=(32, 32))
    flow.fit(x, context=c, epochs=6, **options)
    gap = torch.distributions.Normal(c, 0.3).log_prob(x)[:, 0] - flow.log_prob(x, c).detach()
    assert float(gap.mean()) < 0.1


@pytest.mark.parametrize("name", MODELS)
def test_the_density_takes_no_numerical_inverse(name: str, monkeypatch: Any) -> None:
    def refuse(*arguments: Any) -> None:
        raise AssertionError("a root was sought")

    for module in ("extrapolated", "sigmoidal", "mixture_cdf"):
        monkeypatch.setattr(f"diffeo.univariates.{module}.invert_increasing", refuse)
    flow, _ = build(name, 2)
    assert bool(flow.log_prob(torch.randn(5, 2)).isfinite().all())
    with pytest.raises(AssertionError, match="a root was sought"):
        flow.sample(2)


def test_sizes_reach_the_univariates() -> None:
    flow = diffeo.NAF(2, units=3, dense=True, layers=1)
    assert repr(flow.transform[0].transform.univariate) == "DenseSigmoidal(units=3)"
    kinds = {
        "DeepSigmoidal(units=3)": diffeo.NAF(2, units=3, layers=1),
        "MonotoneNetwork(units=3, interval=(-2, 2))": diffeo.UNAF(2, units=3, interval=(-2, 2)),
        "SumOfSquares(degree=3, terms=1, interval=(-2, 2))": diffeo.SOSFlow(
            2, degree=3, terms=1, interval=(-2, 2)
        ),
        "Bernstein(degree=3, interval=(-2, 2))": diffeo.BernsteinFlow(
            2, degree=3, interval=(-2, 2)
        ),
        "MixtureOfGaussians(components=3)": diffeo.Gaussianization(2, components=3),
    }
    for expected, flow in kinds.items():
        assert repr(flow.transform[0].transform.univariate) == expected
