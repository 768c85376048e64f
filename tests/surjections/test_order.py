"""Sorting, ordering and shuffling beside order statistics and means over permutations."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

import diffeo
from diffeo.audit import perturbed
from diffeo.bases import DiagonalNormal, StandardNormal
from diffeo.errors import ShapeError
from diffeo.surjections import RandomOrder, Shuffle, Sort
from diffeo.transforms import Reshape


def test_sorted_normal_numbers_have_the_density_of_order_statistics() -> None:
    flow = diffeo.SurjectiveFlow(StandardNormal(4), Sort(4)).double()
    x = torch.randn(20, 4, dtype=torch.float64).sort(-1).values
    expected = torch.distributions.Normal(0.0, 1.0).log_prob(x).sum(-1) + math.log(24)
    for seed in (0, 1):
        torch.testing.assert_close(flow.log_prob(x, seed=seed), expected)
    assert flow.log_prob(x.flip(-1)).eq(-math.inf).all()


def test_the_bound_of_sorted_numbers_reaches_the_sum_over_all_orders() -> None:
    base = DiagonalNormal(3, loc=[0.0, 0.5, -1.0], scale=[1.0, 2.0, 0.5]).double()
    flow = diffeo.SurjectiveFlow(base, Sort(3)).double()
    x = torch.randn(6, 3, dtype=torch.float64).sort(-1).values
    orders = [base.log_prob(x[:, list(p)]) for p in itertools.permutations(range(3))]
    expected = torch.stack(orders).logsumexp(0)
    found = flow.log_prob(x, num_samples=20_000, seed=0)
    torch.testing.assert_close(found, expected, atol=0.1, rtol=0)


def _set_flow(by: int) -> diffeo.SurjectiveFlow:
    layer = RandomOrder(3, 2, by=by)
    base = diffeo.NSF(6, supports=layer.domain.supports, layers=2, hidden=(16,), seed=0)
    return diffeo.SurjectiveFlow(perturbed(base), layer).double()


@pytest.mark.parametrize("by", [0, 1])
def test_the_density_of_a_set_is_exact_and_the_same_in_every_order(by: int) -> None:
    flow = _set_flow(by)
    x = torch.randn(5, 3, 2, dtype=torch.float64)
    rows = x[0].tolist()
    first = sorted(rows, key=lambda row: row[by])
    columns = [row[by] for row in first] + [row[1 - by] for row in first]
    z = torch.tensor(columns, dtype=torch.float64)
    assert flow.exactness == "exact"
    assert flow.log_prob(x[0]).item() == pytest.approx(
        flow.density.log_prob(z).item() - math.log(6), abs=1e-12
    )
    for order in itertools.permutations(range(3)):
        torch.testing.assert_close(flow.log_prob(x[:, list(order)]), flow.log_prob(x))


def test_samples_of_a_set_are_in_no_order() -> None:
    x = _set_flow(0).sample(3000, seed=0)
    for i, j in itertools.combinations(range(3), 2):
        above = (x[:, i, 0] > x[:, j, 0]).double().mean().item()
        assert above == pytest.approx(0.5, abs=5 * 0.5 / math.sqrt(3000))


def test_three_numbers_as_a_set_with_the_density_of_their_order() -> None:
    """Uniform order statistics: the set has the density of independent uniform numbers."""
    ordered = diffeo.SurjectiveFlow(diffeo.bases.BoxUniform(3), Sort(3))
    x = torch.rand(4, 3, 1)
    below = RandomOrder(3, 1)
    z, contribution = below.inverse(x)
    torch.testing.assert_close(ordered.log_prob(z, seed=0) + contribution, torch.zeros(4))


def test_a_shuffled_density_is_the_mean_over_all_orders() -> None:
    base = DiagonalNormal(3, loc=[0.0, 0.5, -1.0]).double()
    flow = diffeo.SurjectiveFlow(base, Reshape((3,), (3, 1)), Shuffle(3, 1)).double()
    x = torch.randn(6, 3, 1, dtype=torch.float64)
    orders = [base.log_prob(x[:, list(p), 0]) for p in itertools.permutations(range(3))]
    expected = torch.stack(orders).logsumexp(0) - math.log(6)
    found = flow.log_prob(x, num_samples=20_000, seed=0)
    torch.testing.assert_close(found, expected, atol=0.1, rtol=0)
    drawn = flow.sample(20_000, seed=0)[..., 0].mean(0)
    torch.testing.assert_close(
        drawn, torch.full((3,), -1 / 6, dtype=torch.float64), atol=0.04, rtol=0
    )


def test_errors() -> None:
    with pytest.raises(ShapeError, match=r"RandomOrder: by must be a coordinate 0\.\.1, got 2"):
        RandomOrder(3, 2, by=2)
    with pytest.raises(ShapeError, match="takes ordered"):
        diffeo.SurjectiveFlow(StandardNormal(6), RandomOrder(3, 2))
    for build in (lambda: RandomOrder(0, 2), lambda: Shuffle(2, 0), lambda: Sort(0)):
        with pytest.raises(ShapeError, match="whole number >= 1"):
            build()
