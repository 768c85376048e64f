"""ResidualFlow: direction, learning, ActNorm between layers, files, many dimensions."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

import diffeo
from diffeo.transforms import ActNorm
from diffeo.transforms.residual import layer as residual_layer


def _two_modes(rows: int, features: int, seed: int = 0) -> Tensor:
    """Half N(-1, 1/16) and half N(1, 1/16) in the first column, N(0, 1) in any other."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, features, generator=generator)
    side = 2.0 * torch.randint(2, (rows,), generator=generator) - 1
    x[:, 0] = side + x[:, 0] / 4
    return x


def _truth(x: Tensor) -> Tensor:
    sides = torch.stack([-8 * (x[:, 0] - centre).square() for centre in (-1, 1)])
    first = sides.logsumexp(0) - math.log(2) + math.log(4)
    return first - x[:, 1:].square().sum(-1) / 2 - x.shape[-1] / 2 * math.log(2 * math.pi)


def _gap(flow: diffeo.ResidualFlow, features: int) -> float:
    """Nats between the truth and the flow, on fresh points."""
    x = _two_modes(2000, features, seed=1)
    with torch.no_grad():
        return float((_truth(x) - flow.log_prob(x)).mean())


@pytest.mark.parametrize(("dense", "epochs"), [(False, 14), (True, 8)])
def test_it_learns_two_modes(dense: bool, epochs: int) -> None:
    flow = diffeo.ResidualFlow(2, layers=3, hidden=(16, 16), dense=dense, seed=0)
    x = _two_modes(2000, 2)
    flow.fit(x, epochs=epochs, batch_size=128, lr=0.01, progress=False, seed=0)
    assert _gap(flow, 2) < 0.08


def test_it_learns_by_estimates_where_there_are_many_columns() -> None:
    flow = diffeo.ResidualFlow(10, layers=2, hidden=(16, 16), exact=8, seed=0)
    assert flow.exactness == "estimate"
    flow.fit(_two_modes(2000, 10), epochs=12, batch_size=128, lr=0.01, progress=False, seed=0)
    x = _two_modes(5, 10)
    assert torch.equal(flow.log_prob(x), flow.log_prob(x))
    # a normal distribution in the place of the modes loses 0.6
    assert _gap(flow, 10) < 0.3


def test_densities_need_no_fixed_point(monkeypatch: pytest.MonkeyPatch) -> None:
    flow = diffeo.ResidualFlow(3, layers=2, hidden=(8,), seed=0)

    def solve(*_: object) -> Tensor:
        raise AssertionError

    monkeypatch.setattr(residual_layer, "solve", solve)
    flow.log_prob(torch.zeros(2, 3))
    with pytest.raises(AssertionError):
        flow.sample(1)


def test_the_first_batch_sets_an_actnorm_for_each_layer() -> None:
    flow = diffeo.ResidualFlow(2, layers=3, hidden=(8,), seed=0)
    flow.initialize(5 * torch.randn(100, 2))
    scalers = [m for m in flow.modules() if type(m) is ActNorm]
    assert len(scalers) == 3
    assert all(bool(m.initialized) for m in scalers)


def test_a_context_moves_the_density() -> None:
    generator = torch.Generator().manual_seed(0)
    c = torch.randn(2000, 1, generator=generator)
    x = torch.sin(2 * c) + 0.2 * torch.randn(2000, 1, generator=generator)
    flow = diffeo.ResidualFlow(1, context=1, layers=3, hidden=(16, 16), seed=0)
    flow.fit(x, context=c, epochs=6, batch_size=128, lr=0.01, progress=False, seed=0)
    with torch.no_grad():
        loss = float(-flow.log_prob(x, c).mean())
    # log(0.2) + log(2 pi e) / 2 = -0.19; without the context, about 1
    assert loss < 0.25


def test_a_file_holds_it(tmp_path: Path) -> None:
    flow = diffeo.ResidualFlow(
        18, layers=2, hidden=(8,), dense=False, coefficient=0.9, exact=18, seed=0
    )
    flow.save(tmp_path / "m.safetensors")
    again = diffeo.load(tmp_path / "m.safetensors")
    x = torch.randn(4, 18)
    assert torch.equal(again.log_prob(x), flow.eval().log_prob(x))
    assert again.exactness == "exact"


def test_wrong_sizes_are_named() -> None:
    with pytest.raises(ValueError, match="coefficient must lie in"):
        diffeo.ResidualFlow(2, coefficient=1.5)
    with pytest.raises(diffeo.errors.ShapeError, match="layers must be at least 1"):
        diffeo.ResidualFlow(2, layers=0)
