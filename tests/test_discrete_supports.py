"""Supports of integers and categories."""

from __future__ import annotations

import math

import pytest
import torch

import diffeo
from diffeo.supports import Categories, Integers
from diffeo.supports.discrete import discrete_columns


@pytest.mark.parametrize(
    ("support", "inside", "outside"),
    [
        (diffeo.integers(), [-3.0, 0.0, 7.0, -1e6], [0.5, -0.1]),
        (diffeo.integers(-2), [-2.0, 0.0, 1e6], [-3.0, -1.5]),
        (diffeo.integers(-2, 3), [-2.0, 3.0], [-3.0, 4.0, 2.999]),
        (diffeo.integers(5, 5), [5.0], [4.0, 6.0]),
        (diffeo.categories(3), [0.0, 1.0, 2.0], [-1.0, 3.0, 0.5]),
    ],
    ids=repr,
)
def test_values(support, inside: list[float], outside: list[float]) -> None:
    assert support.contains(torch.tensor(inside)).all()
    never = [math.nan, math.inf, -math.inf]
    assert not support.contains(torch.tensor(outside + never)).any()
    assert support.contains(support.interior(torch.zeros(4, 2)))


def test_names_as_they_are_written() -> None:
    supports = [diffeo.integers(), diffeo.integers(0), diffeo.integers(-1, 4), diffeo.categories(2)]
    assert [repr(s) for s in supports] == [
        "integers()",
        "integers(0)",
        "integers(-1, 4)",
        "categories(2)",
    ]


def test_equality() -> None:
    assert diffeo.integers(0, 2) == Integers(low=0, high=2)
    assert diffeo.integers(0, 2) != diffeo.integers(0, 3)
    # order means something for one of them alone
    assert diffeo.integers(0, 2) != diffeo.categories(3)
    assert diffeo.categories(3) == Categories(3)


@pytest.mark.parametrize("bounds", [(2, 1), (None, 3), (0.5, 3), (0, 3.0), (True, 3), ("0", 3)])
def test_bounds_that_are_none(bounds) -> None:
    with pytest.raises(ValueError, match="integers needs whole bounds"):
        diffeo.integers(*bounds)


@pytest.mark.parametrize("count", [1, 0, -2, 2.0, True, "3"])
def test_counts_that_are_none(count) -> None:
    with pytest.raises(ValueError, match="at least 2 labels"):
        diffeo.categories(count)


def test_discrete_columns() -> None:
    table = diffeo.supports.Features(
        [diffeo.real(), diffeo.integers(0), diffeo.simplex(2), diffeo.categories(3)]
    )
    assert discrete_columns(table, 5).tolist() == [False, True, False, False, True]
    assert discrete_columns(diffeo.integers(), 2).tolist() == [True, True]
