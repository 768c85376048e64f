"""Draws follow the density: against its masses, its integral, and its marginals."""

from __future__ import annotations

import math

import pytest
import torch
from mixed_columns import HOLE, KINDS, flow_of, grid_of, rule_of, surprise
from torch import Tensor

from diffeo.tabular.any_order import AngleColumn, AnyOrderFlow, LevelColumn, NumberColumn

DRAWS = 20_000
# standard deviations of a statistic that chance alone does not reach
UNLIKELY = 4.5

SMALL = (
    NumberColumn(1.0, low=0, high=3),
    LevelColumn(3, closed=True),
    AngleColumn(2 * math.pi / 5),
    LevelColumn(2, closed=True),
)


def _masses(flow: AnyOrderFlow) -> tuple[Tensor, Tensor]:
    points, _ = grid_of([rule_of(column) for column in flow.columns])
    with torch.no_grad():
        return points, flow.log_prob(points).exp()


def _counts(points: Tensor, x: Tensor) -> Tensor:
    near = (x[:, None] - points).abs().sum(-1)
    assert float(near.min(1).values.max()) < 1e-5, "a value that the column cannot have"
    return torch.bincount(near.argmin(1), minlength=len(points))


@pytest.mark.parametrize("kind", KINDS)
def test_one_column_is_drawn_as_often_as_its_mass_says(kind: str) -> None:
    column = KINDS[kind]
    flow = flow_of(column)
    x = flow.sample(DRAWS, seed=3)[:, 0]
    points, weights = rule_of(column, x)
    order = points.argsort()
    points, weights = points[order], weights[order]
    with torch.no_grad():
        masses = flow.log_prob(points[:, None]).exp() * weights
    if not getattr(column, "step", 1.0):
        points, masses, x = _in_cells(points, masses, x, getattr(column, "atoms", ()))
    if isinstance(column, LevelColumn) and not column.closed:
        points, masses = points[:-1], masses[:-1] / masses[:-1].sum()  # the unseen is not drawn
    assert surprise(_counts(points[:, None], x[:, None]), masses * DRAWS) < UNLIKELY


def _in_cells(
    points: Tensor, masses: Tensor, x: Tensor, atoms: tuple[float, ...]
) -> tuple[Tensor, Tensor, Tensor]:
    """50 cells of like mass, and cells of their own for atoms, numbered from 0."""
    own = torch.tensor(atoms, dtype=x.dtype)
    free = ~torch.isin(points, own)
    total = masses[free].cumsum(0)
    at = torch.searchsorted(total / total[-1], torch.linspace(0.02, 0.98, 49, dtype=x.dtype))
    # between quadrature points the integral is not known: cells end halfway between two
    edges = (points[free][at] + points[free][at + 1]) / 2
    ends = torch.cat([total.new_zeros(1), total[at], total[-1:]])
    cells = torch.cat([ends.diff(), masses[~free]])
    where = torch.searchsorted(edges, x)
    for k, atom in enumerate(sorted(atoms)):
        where = torch.where(x == atom, 50 + k, where)
    return torch.arange(len(cells)).double(), cells, where.double()


def test_tables_are_drawn_as_often_as_their_masses_say() -> None:
    flow = flow_of(*SMALL)
    points, masses = _masses(flow)
    x, log_prob = flow.sample_and_log_prob(DRAWS, seed=0)
    assert surprise(_counts(points, x), masses * DRAWS) < UNLIKELY
    entropy = float(-(masses * masses.log()).sum())
    error = float(log_prob.std()) / math.sqrt(DRAWS)
    assert float(-log_prob.mean()) == pytest.approx(entropy, abs=4 * error)


def test_holes_are_drawn_from_their_conditionals() -> None:
    flow = flow_of(*SMALL)
    row = torch.tensor([2.0, 1.0, HOLE, 0.0]).double()
    drawn = flow.complete(row.expand(DRAWS, -1), seed=0)
    kept = torch.tensor([True, True, False, True])
    assert bool((drawn[:, kept] == row[kept]).all())
    points, _ = rule_of(SMALL[2])
    rows = row.repeat(len(points), 1)
    rows[:, 2] = points
    with torch.no_grad():
        masses = flow.full_conditionals(rows)[:, 2].exp()
    assert surprise(_counts(points[:, None], drawn[:, 2:3]), masses * DRAWS) < UNLIKELY
    again = flow.complete(row.expand(DRAWS, -1), seed=0)
    assert torch.equal(again, drawn)


@pytest.mark.parametrize("holes", [(0,), (1, 3), (0, 1, 2), (0, 1, 2, 3)])
def test_weights_of_completions_estimate_marginals(holes: tuple[int, ...]) -> None:
    # orders that differ as little as those of a fitted flow: else few draws have all the weight
    flow, far = flow_of(*SMALL, state="initialised"), flow_of(*SMALL)
    with torch.no_grad():
        for near, other in zip(flow.parameters(), far.parameters(), strict=True):
            near.lerp_(other, 0.4)
    row = torch.tensor([2.0, 1.0, -math.pi, 0.0]).double()
    row[list(holes)] = HOLE
    rules = [
        rule_of(column) if hole else (value[None], torch.ones(1))
        for column, value, hole in zip(SMALL, row, row.isnan(), strict=True)
    ]
    with torch.no_grad():
        exact = float(flow.log_prob(grid_of(rules)[0]).exp().sum())
        weights = flow.log_weight(row.expand(4000, -1), seed=1).exp()
    error = float(weights.std()) / math.sqrt(len(weights))
    assert float(weights.mean()) == pytest.approx(exact, abs=4 * error)
    assert 0 < error < 0.12 * exact


def test_rows_without_holes_have_their_own_weight() -> None:
    flow = flow_of(*SMALL, KINDS["number with atoms"])
    x = flow.sample(20, seed=0)
    with torch.no_grad():
        torch.testing.assert_close(flow.log_weight(x, seed=0), flow.log_prob(x))
    torch.testing.assert_close(flow.complete(x, seed=0), x)


def test_no_draws_are_an_empty_table() -> None:
    flow = flow_of(*SMALL)
    assert flow.sample(0, seed=0).shape == (0, 4)
    assert flow.complete(torch.zeros(0, 4).double(), seed=0).shape == (0, 4)
    assert flow.log_prob(torch.zeros(0, 4).double()).shape == (0,)
