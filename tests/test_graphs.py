"""Graphs: generations, cycles and what they say of dependence."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from diffeo.errors import ShapeError
from diffeo.graphs import as_adjacency, generations, separated


def of(features: int, *arrows: tuple[int, int]) -> Tensor:
    """Arrows from parent to child."""
    matrix = torch.zeros(features, features, dtype=torch.bool)
    for parent, child in arrows:
        matrix[child, parent] = True
    return matrix


def test_generations_follow_the_longest_path() -> None:
    graph = of(6, (4, 2), (2, 0), (4, 0), (5, 0), (0, 3))
    assert generations("part", graph) == [[1, 4, 5], [2], [0], [3]]
    assert generations("part", of(3)) == [[0, 1, 2]]


@pytest.mark.parametrize(
    ("arrows", "shown"),
    [
        ([(0, 1), (1, 2), (2, 0), (2, 3)], "0 -> 1 -> 2 -> 0"),
        ([(1, 1)], "1 -> 1"),
        ([(0, 1), (1, 2), (2, 3), (3, 2)], "2 -> 3 -> 2"),
    ],
)
def test_a_cycle_is_shown_along_its_arrows(arrows: list[tuple[int, int]], shown: str) -> None:
    with pytest.raises(ShapeError, match=r"part: .* no cycle .* but it has") as error:
        generations("part", of(4, *arrows))
    cycle = str(error.value).partition("it has ")[2]
    steps = [int(step) for step in cycle.split(" -> ")]
    assert steps[0] == steps[-1]
    assert all(pair in arrows for pair in itertools.pairwise(steps))
    assert len(cycle) == len(shown)


@pytest.mark.parametrize("bad", [[[0, 1]], [[0, 2], [0, 0]], [[0, 1], [0]], "no", [0, 1]])
def test_what_is_no_adjacency(bad: object) -> None:
    with pytest.raises(ShapeError, match="part: the adjacency"):
        as_adjacency("part", bad, 2)  # type: ignore[arg-type]


def test_chains_forks_and_colliders() -> None:
    chain, fork, collider = of(3, (0, 1), (1, 2)), of(3, (1, 0), (1, 2)), of(3, (0, 1), (2, 1))
    for graph in (chain, fork):
        assert not separated(graph, 0, 2, [])
        assert separated(graph, 0, 2, [1])
    assert separated(collider, 0, 2, [])
    assert not separated(collider, 0, 2, [1])
    # a descendant of the collider tells as well
    assert not separated(of(4, (0, 1), (2, 1), (1, 3)), 0, 2, [3])


def test_separation_is_what_linear_normal_models_show() -> None:
    """Partial correlations of x = A x + noise vanish exactly where the graph separates."""
    generator = torch.Generator().manual_seed(0)
    features = 5
    for _ in range(5):
        graph = (torch.rand(features, features, generator=generator) < 0.4).tril(-1)
        weights = torch.where(graph, 0.5 + torch.rand(5, 5, generator=generator), 0.0).double()
        mix = torch.linalg.inv(torch.eye(features).double() - weights)
        covariance = mix @ mix.T
        for a, b in itertools.combinations(range(features), 2):
            rest = [i for i in range(features) if i not in (a, b)]
            for size in range(len(rest) + 1):
                for given in itertools.combinations(rest, size):
                    some = [a, b, *given]
                    precision = torch.linalg.inv(covariance[some][:, some])
                    independent = abs(float(precision[0, 1])) < 1e-9
                    assert independent == separated(graph, a, b, given), (graph, a, b, given)
