"""What a conditional distribution sees: the columns before it that are there, and no others."""

from __future__ import annotations

import pytest
import torch
from mixed_columns import HOLE, KINDS, flow_of, table_of
from torch import Tensor

from diffeo.tabular.any_order import AnyOrderFlow, ColumnKind, LevelColumn, NumberColumn

MANY: tuple[ColumnKind, ...] = (
    *(KINDS[k] for k in ("number", "open levels", "angle", "lattice between", "closed levels")),
    *(KINDS[k] for k in ("number with atoms", "angles on a lattice", "lattice with atoms")),
)


def _rows(columns: tuple[ColumnKind, ...], seed: int) -> Tensor:
    """(D, rows) without holes, and no value twice in a column where it can be helped."""
    whole = table_of(columns, torch.float64, rows=600)
    whole = whole[~whole.isnan().any(1)]
    return whole[torch.randperm(len(whole), generator=torch.Generator().manual_seed(seed))[:40]].t()


@pytest.mark.parametrize("features", [1, 2, 3, 8])
def test_columns_see_only_those_before_them(features: int) -> None:
    columns = MANY[:features]
    flow = flow_of(*columns)
    x, other = _rows(columns, 0), _rows(columns, 1)
    generator = torch.Generator().manual_seed(0)
    moved_any = False
    for _ in range(6):
        rank = torch.randperm(features, generator=generator) + 1
        with torch.no_grad():
            before = flow.conditionals(x, rank)
            for i in range(features):
                changed = x.clone()
                changed[i] = other[i]
                after = flow.conditionals(changed, rank)
                unmoved = rank < rank[i]
                torch.testing.assert_close(after[unmoved], before[unmoved], rtol=0, atol=1e-12)
                later = rank > rank[i]
                moved_any |= bool((after[later] - before[later]).abs().sum() > 1e-3)
    assert moved_any == (features > 1)


def test_gradients_by_columns_at_or_after_are_zero() -> None:
    columns = (NumberColumn(), KINDS["angle"], NumberColumn(), KINDS["number with atoms"])
    flow = flow_of(*columns)
    rank = torch.tensor([3, 1, 4, 2])
    x = _rows(columns, 0).requires_grad_()
    for i, row in enumerate(flow.conditionals(x, rank)):
        (slope,) = torch.autograd.grad(row.sum(), x, retain_graph=True)
        size = slope.abs().sum(1)
        assert bool((size[rank > rank[i]] == 0).all())
        assert bool((size[rank < rank[i]] > 0).all())


@pytest.mark.parametrize("hidden", range(8))
def test_hidden_columns_are_not_seen(hidden: int) -> None:
    """By a hole, or by ``seen``: both are the same for the columns after it."""
    flow = flow_of(*MANY)
    x, other = _rows(MANY, 0), _rows(MANY, 1)
    changed, holes = x.clone(), x.clone()
    changed[hidden], holes[hidden] = other[hidden], HOLE
    seen = torch.ones_like(x, dtype=torch.bool)
    seen[hidden] = False
    others = torch.arange(8) != hidden
    rank = flow.ranks[0]
    with torch.no_grad():
        first, again = flow.conditionals(x, rank, seen), flow.conditionals(changed, rank, seen)
        without = flow.conditionals(holes, rank)
    torch.testing.assert_close(again[others], first[others], rtol=0, atol=1e-12)
    torch.testing.assert_close(without[others], first[others], rtol=0, atol=1e-12)
    assert bool((without[hidden] == 0).all())
    assert bool((first[hidden] != 0).any())


def test_a_level_never_seen_tells_others_nothing() -> None:
    flow = flow_of(LevelColumn(3), NumberColumn())
    x = torch.tensor([[3.0, 0.4], [HOLE, 0.4], [1.0, 0.4]]).double()
    with torch.no_grad():
        unseen, hole, seen = flow.full_conditionals(x)[:, 1]
    assert float(unseen) == float(hole)
    assert float(seen) != float(hole)


def test_full_conditionals_see_all_others() -> None:
    """p(x_i | others) of a code sums to 1 over its values, and moves with every other column."""
    columns = (LevelColumn(3, closed=True), LevelColumn(2, closed=True), NumberColumn())
    flow = flow_of(*columns)
    x = torch.tensor([[c, 1.0, 0.7] for c in range(3)]).double()
    with torch.no_grad():
        assert float(flow.full_conditionals(x)[:, 0].exp().sum()) == pytest.approx(1, abs=1e-12)
        for i, value in ((1, 0.0), (2, -1.3)):
            moved = x.clone()
            moved[:, i] = value
            change = flow.full_conditionals(moved)[:, 0] - flow.full_conditionals(x)[:, 0]
            assert float(change.abs().max()) > 1e-3
        holes = x.clone()
        holes[:, 2] = HOLE
        assert bool((flow.full_conditionals(holes)[:, 2] == 0).all())
    assert flow.full_conditionals(x[None]).shape == (1, 3, 3)


def test_full_conditionals_of_many_columns_take_few_passes() -> None:
    """Of more than 64 columns, two share a pass; what is seen then is all but one column."""
    flow = flow_of(*[LevelColumn(2, closed=True)] * 70)
    x = torch.randint(2, (5, 70), generator=torch.Generator().manual_seed(0)).double()
    calls: list[Tensor] = []
    hook = flow.network.register_forward_hook(lambda *args: calls.append(args[2]))
    with torch.no_grad():
        first = flow.full_conditionals(x)
        hook.remove()
        assert len(calls) == 64
        other = x.clone()
        other[:, 69] = 1 - other[:, 69]
        both = first[:, 69].exp() + flow.full_conditionals(other)[:, 69].exp()
    torch.testing.assert_close(both, torch.ones_like(both))
    changed = (flow.full_conditionals(other) - first).abs().sum(0) > 0
    assert int(changed.sum()) > 65


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("state", ["fresh", "perturbed"])
def test_impossible_and_far_values_keep_finite_gradients(state: str, dtype: torch.dtype) -> None:
    flow = flow_of(*MANY, state=state, dtype=dtype)
    rows = _rows(MANY, 0).t()[:4].to(dtype)
    impossible = rows.repeat(8, 1, 1)
    bad = (torch.inf, 7.0, 4.0, 2.5, 2.0, -torch.inf, 4.0, 6.0)
    for i, value in enumerate(bad):
        impossible[i, :, i] = value
    far = rows.clone()
    far[:, [0, 5]] = torch.tensor([1e6, -1e6], dtype=dtype)
    holes = torch.full_like(rows, HOLE)
    x = torch.cat([impossible.flatten(0, 1), far, holes, rows])
    log_prob = flow.log_prob(x)
    expected = torch.zeros(len(x), dtype=torch.bool)
    expected[:32] = True
    assert torch.equal(log_prob.isneginf(), expected)
    assert not bool(log_prob.isnan().any())
    assert bool((log_prob[36:40] == 0).all())  # nothing observed
    loss = -log_prob.nan_to_num(neginf=0.0).sum() + flow.train().loss(x[32:])
    _finite_gradients(flow, loss)


def _finite_gradients(flow: AnyOrderFlow, loss: Tensor) -> None:
    for name, parameter in flow.named_parameters():
        (slope,) = torch.autograd.grad(loss, parameter, retain_graph=True)
        assert bool(slope.isfinite().all()), name
