"""Descriptions of columns, and arguments that cannot be."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from diffeo.errors import ShapeError
from diffeo.tabular.any_order import AngleColumn, AnyOrderFlow, LevelColumn, NumberColumn


def test_columns_are_equal_by_what_they_are() -> None:
    assert NumberColumn() == NumberColumn(0.0, atoms=())
    assert NumberColumn(1.0) != NumberColumn(1.0, low=0)
    assert LevelColumn(3) != LevelColumn(3, closed=True)
    assert AngleColumn() != NumberColumn()
    assert NumberColumn(1.0, atoms=[2]) == copy.deepcopy(NumberColumn(1.0, atoms=(2.0,)))
    assert len({LevelColumn(3), LevelColumn(3), LevelColumn(4)}) == 2
    assert repr(LevelColumn(3, closed=True)) == "LevelColumn(count=3, closed=True)"


IMPOSSIBLE: list[tuple[Callable[..., Any], dict[str, Any], str]] = [
    (NumberColumn, {"step": -1.0}, "step must be 0 or positive, got -1.0"),
    (NumberColumn, {"step": math.nan}, "step must be 0 or positive, got nan"),
    (NumberColumn, {"low": 0.0}, "bounds need a step"),
    (LevelColumn, {"count": 0}, "at least 1 levels, got 0"),
    (LevelColumn, {"count": 2.0}, "at least 1 levels, got 2.0"),
    (LevelColumn, {"count": True}, "at least 1 levels, got True"),
    (AngleColumn, {"step": 1.0}, "divide 2 pi, got 1.0"),
    (AngleColumn, {"step": -math.pi}, "divide 2 pi"),
]


@pytest.mark.parametrize(("kind", "arguments", "message"), IMPOSSIBLE)
def test_impossible_columns(kind: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kind(**arguments)


@pytest.mark.parametrize("size", ["width", "components", "orders", "knots"])
@pytest.mark.parametrize("value", [0, -1])
def test_sizes_are_whole_numbers_of_at_least_one(size: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"{size} must be a whole number >= [13], got {value}"):
        AnyOrderFlow([NumberColumn()], **{size: value})


def test_a_flow_needs_columns() -> None:
    with pytest.raises(ShapeError, match="at least one column"):
        AnyOrderFlow([])
    with pytest.raises(TypeError, match="a column is a NumberColumn, LevelColumn or AngleColumn"):
        AnyOrderFlow([2])  # type: ignore[list-item]


def test_the_smallest_flow_works() -> None:
    flow = AnyOrderFlow([NumberColumn(), LevelColumn(1)], width=1, blocks=0, components=1, orders=1)
    assert flow.log_prob(flow.sample(3, seed=0)).isfinite().all()


def test_the_seed_decides_weights_and_orders() -> None:
    def flow(seed: int) -> dict[str, torch.Tensor]:
        return AnyOrderFlow([NumberColumn()] * 6, width=8, seed=seed).state_dict()

    state = torch.random.get_rng_state()
    one, again, other = flow(0), flow(0), flow(1)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not torch.equal(one["ranks"], other["ranks"])
    assert not torch.equal(one["network.input.weight"], other["network.input.weight"])
