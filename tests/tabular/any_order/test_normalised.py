"""Masses add up to 1, densities integrate to 1, whatever is seen."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from mixed_columns import HOLE, KINDS, flow_of, grid_of, rule_of

from diffeo.tabular.any_order import AngleColumn, LevelColumn, NumberColumn

STATES = ("fresh", "initialised", "perturbed")
# rules of six nodes between 500 quantiles meet the bends of a spline; sums are a hundred times
# closer, as close as steps that have been float32
TOLERANCES = {torch.float64: 1e-4, torch.float32: 1e-4}


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("kind", KINDS)
def test_one_column_has_mass_one(kind: str, state: str, dtype: torch.dtype) -> None:
    flow = flow_of(KINDS[kind], state=state, dtype=dtype)
    points, weights = rule_of(KINDS[kind], flow.sample(4000, seed=0)[:, 0])
    with torch.no_grad():
        total = (flow.log_prob(points[:, None].to(dtype)).double().exp() * weights).sum()
    assert float(total) == pytest.approx(1, abs=TOLERANCES[dtype])


def test_the_unseen_code_has_the_share_of_codes_seen_once() -> None:
    """Good and Turing: two of the six codes occur once in eleven rows."""
    flow = flow_of(LevelColumn(5), state="fresh")
    codes = torch.tensor([0, 0, 0, 0, 1, 1, 1, 2, 3, 4, 4]).double()[:, None]
    flow.initialize(codes)
    unseen = flow.log_prob([[5.0]]).item()
    assert math.exp(unseen) == pytest.approx(2.5 / 12)
    closed = flow_of(LevelColumn(5, closed=True), state="fresh")
    assert closed.log_prob([[5.0]]).item() == -math.inf


DISCRETE = (
    NumberColumn(1.0, low=0, high=3),
    LevelColumn(3),
    LevelColumn(2, closed=True),
    AngleColumn(2 * torch.pi / 4),
    NumberColumn(1.0, atoms=(0.0, 9.0), low=0.0, high=2.0),
)


@pytest.mark.parametrize("dtype", TOLERANCES)
def test_every_pattern_of_holes_has_mass_one(dtype: torch.dtype) -> None:
    flow = flow_of(*DISCRETE, dtype=dtype)
    for observed in itertools.product([False, True], repeat=len(DISCRETE)):
        rules = [
            rule_of(column) if there else (torch.tensor([HOLE]), torch.ones(1))
            for column, there in zip(DISCRETE, observed, strict=True)
        ]
        with torch.no_grad():
            total = flow.log_prob(grid_of(rules)[0].to(dtype)).double().exp().sum()
        assert float(total) == pytest.approx(1, abs=TOLERANCES[dtype] / 100)


@pytest.mark.parametrize("other", ["open levels", "lattice between", "angles on a lattice"])
def test_sums_over_levels_of_integrals_over_numbers_are_one(other: str) -> None:
    columns = KINDS["number with atoms"], KINDS[other]
    flow = flow_of(*columns)
    rules = rule_of(columns[0], flow.sample(4000, seed=0)[:, 0]), rule_of(columns[1])
    points, weights = grid_of(rules)
    with torch.no_grad():
        whole = (flow.log_prob(points).exp() * weights).sum()
        each = flow.full_conditionals(torch.tensor([[0.3, 0.0], [1.1, 0.0]]).double())[:, 1]
    assert float(whole) == pytest.approx(1, abs=1e-5)
    # the columns do depend on each other
    assert abs(float(each[0] - each[1])) > 1e-2


def test_two_numbers_integrate_to_one() -> None:
    """Gauss-Legendre between 80 quantiles of each column, and on panels that widen outwards."""
    flow = flow_of(NumberColumn(), NumberColumn())
    rules = [_panels(column) for column in flow.sample(4000, seed=0).t()]
    points, weights = grid_of(rules)
    with torch.no_grad():
        total = (flow.log_prob(points).exp() * weights).sum()
    assert float(total) == pytest.approx(1, abs=3e-3)


def _panels(drawn: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    inner = drawn.sort().values[torch.linspace(0, len(drawn) - 1, 81).long()]
    steps = (inner[-1] - inner[0]) * torch.logspace(-2, 4, 24, dtype=drawn.dtype)
    edges = torch.cat([(inner[0] - steps).flip(0), inner, inner[-1] + steps])
    x, w = torch.tensor([-(0.6**0.5), 0.0, 0.6**0.5]), torch.tensor([5 / 9, 8 / 9, 5 / 9])
    half = edges.diff()[:, None] / 2
    return (edges[:-1, None] + half * (x + 1)).flatten(), (half * w).flatten()
