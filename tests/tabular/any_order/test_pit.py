"""Probability integral transforms of what the model draws are uniform."""

from __future__ import annotations

import math

import pytest
import torch

from diffeo.tabular.any_order import AngleColumn, AnyOrderFlow, LevelColumn, NumberColumn

COLUMNS = [
    NumberColumn(),
    LevelColumn(3),
    NumberColumn(step=1.0),
    AngleColumn(),
    NumberColumn(atoms=[0.0]),
    AngleColumn(step=2 * math.pi / 24),
    NumberColumn(step=1.0, atoms=[2.0], low=0.0),
]


@pytest.fixture(scope="module")
def drawn() -> tuple[AnyOrderFlow, torch.Tensor]:
    """A perturbed density of one order, and its samples."""
    flow = AnyOrderFlow(COLUMNS, width=16, blocks=1, orders=1, seed=0).double()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in flow.parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
            parameter.add_(0.1 * noise)
    return flow, flow.sample(20_000, seed=2)


def test_uniform(drawn):
    flow, x = drawn
    with torch.no_grad():
        pit = flow.pit(x, seed=3)
    grid = torch.linspace(0.05, 0.95, 19, dtype=pit.dtype)
    share = (pit[:, :, None] <= grid).double().mean(0)
    # five standard errors
    assert float((share - grid).abs().max()) < 5 * 0.5 / math.sqrt(len(x))


def test_holes_stay_holes(drawn):
    flow, x = drawn
    holed = x[:5].clone()
    holed[:, 2] = math.nan
    pit = flow.pit(holed, seed=0)
    assert pit[:, 2].isnan().all()
    assert not pit[:, [0, 1, 3, 4, 5, 6]].isnan().any()


def test_below_and_at_agree_with_log_prob(drawn):
    flow, x = drawn
    rows = x[:50].t()
    seen = torch.ones_like(rows, dtype=torch.bool)
    params = flow._params(rows, seen, flow.ranks[0])
    for group, each in zip(flow._groups(), params, strict=True):
        mass = group.log_prob(rows[group.index], each).exp()
        _, at = group.below_and_at(rows[group.index], each)
        counted = at > 0
        # a value of the continuous rest has a density, and no mass
        assert torch.allclose(mass[counted], at[counted], rtol=2e-3, atol=1e-9)
