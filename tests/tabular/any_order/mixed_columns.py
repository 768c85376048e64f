"""Columns of every kind, densities of them, and rules that sum and integrate over their values."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from diffeo.audit import perturbed
from diffeo.audit.integral import quadrature
from diffeo.tabular.any_order import (
    AngleColumn,
    AnyOrderFlow,
    ColumnKind,
    LevelColumn,
    NumberColumn,
)

HOLE = math.nan

KINDS: dict[str, ColumnKind] = {
    "number": NumberColumn(),
    "number with atoms": NumberColumn(atoms=(0.0, 2.5)),
    "lattice": NumberColumn(1.0),
    "fine lattice": NumberColumn(0.25),
    "lattice above": NumberColumn(1.0, low=-1.0),
    "lattice between": NumberColumn(1.0, low=0.0, high=4.0),
    "lattice with atoms": NumberColumn(1.0, atoms=(-1.0, 40.0), low=-1.0, high=5.0),
    "lattice with an atom beside": NumberColumn(1.0, atoms=(0.5,)),
    "open levels": LevelColumn(3),
    "closed levels": LevelColumn(2, closed=True),
    "one level": LevelColumn(1),
    "angle": AngleColumn(),
    "angles on a lattice": AngleColumn(2 * math.pi / 12),
}


def flow_of(
    *columns: ColumnKind, state: str = "perturbed", dtype: torch.dtype = torch.float64
) -> AnyOrderFlow:
    """A small density: "fresh", "initialised" by data, or then "perturbed"."""
    flow = AnyOrderFlow(columns, width=16, blocks=1, components=3, knots=6, orders=2, seed=0)
    flow = flow.to(dtype).eval()
    if state != "fresh":
        flow.initialize(table_of(columns, dtype))
    return perturbed(flow) if state == "perturbed" else flow


def table_of(columns: Sequence[ColumnKind], dtype: torch.dtype, rows: int = 200) -> Tensor:
    """Skewed values of the columns, one in ten of them a hole."""
    generator = torch.Generator().manual_seed(1)
    x = torch.stack([_values(column, rows, generator) for column in columns], 1)
    holes = torch.rand(x.shape, generator=generator) < 0.1
    return torch.where(holes, HOLE, x).to(dtype)


def _values(column: ColumnKind, rows: int, generator: torch.Generator) -> Tensor:
    noise = torch.randn(rows, generator=generator, dtype=torch.float64)
    if isinstance(column, LevelColumn):
        return (noise.abs() * column.count / 2).floor().clamp(max=column.count - 1)
    if isinstance(column, AngleColumn):
        place = (noise + math.pi) % (2 * math.pi)
        if column.step:
            place = (place / column.step).floor() * column.step
        return place - math.pi
    assert isinstance(column, NumberColumn)
    x = (0.7 * noise).exp()
    if column.step:
        x = ((2 * x / column.step).round() * column.step).clamp(column.low, column.high)
    if column.atoms:
        each = torch.randint(len(column.atoms), (rows,), generator=generator)
        atoms = torch.tensor(column.atoms, dtype=torch.float64)[each]
        x = torch.where(torch.rand(rows, generator=generator) < 0.3, atoms, x)
    return x


def rule_of(column: ColumnKind, drawn: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Values (n,) and weights (n,) whose weighted sum is the integral over the column.

    Args:
        column: its kind.
        drawn: (m,) samples, which say where a continuous column has its mass.
    """
    if isinstance(column, LevelColumn):
        return _counted(torch.arange(column.count + (not column.closed)))
    if isinstance(column, AngleColumn):
        places = round(2 * math.pi / column.step) if column.step else 480
        points = torch.arange(places, dtype=torch.float64) * (2 * math.pi / places) - math.pi
        # evenly spaced points integrate what is periodic
        weight = 1.0 if column.step else 2 * math.pi / places
        return points, torch.full_like(points, weight)
    assert isinstance(column, NumberColumn)
    atoms = torch.tensor(column.atoms, dtype=torch.float64)
    if column.step:
        low, high = max(column.low, -300.0), min(column.high, 300.0)
        places = torch.arange(round(low / column.step), round(high / column.step) + 1)
        return _counted(torch.cat([places * column.step, atoms]).unique())
    assert drawn is not None
    free = drawn[~torch.isin(drawn, atoms)].double()
    points, weights = quadrature(free[:, None])
    return torch.cat([points[:, 0], atoms]), torch.cat([weights, torch.ones_like(atoms)])


def _counted(points: Tensor) -> tuple[Tensor, Tensor]:
    points = points.double()
    return points, torch.ones_like(points)


def grid_of(rules: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """All combinations of values (rows, columns), and the products of their weights (rows,)."""
    points = torch.tensor(list(itertools.product(*(p.tolist() for p, _ in rules)))).double()
    weights = torch.tensor(list(itertools.product(*(w.tolist() for _, w in rules)))).double()
    return points, weights.prod(1)


def surprise(counts: Tensor, expected: Tensor) -> float:
    """Pearson's statistic of counts against their expectations, in its standard deviations.

    Cells of fewer than 5 expected counts are taken together.
    """
    small = expected < 5
    counts = torch.cat([counts[~small], counts[small].sum()[None]]).double()
    expected = torch.cat([expected[~small], expected[small].sum()[None]]).double()
    kept = expected > 1
    counts, expected = counts[kept], expected[kept]
    freedom = max(len(counts) - 1, 1)
    statistic = float(((counts - expected) ** 2 / expected).sum())
    return (statistic - freedom) / math.sqrt(2 * freedom)
