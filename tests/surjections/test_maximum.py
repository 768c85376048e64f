"""MaxPool beside the density of independent numbers."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

import diffeo
from diffeo.density import Density
from diffeo.errors import ShapeError
from diffeo.surjections import MaxPool


class _Largest(Density):
    """The largest of two exponential numbers below 0, in each of two groups: 2 e^(2 z)."""

    def __init__(self) -> None:
        super().__init__((2,))

    def _log_prob(self, x: Tensor, context: Tensor | None) -> Tensor:
        return (math.log(2) + 2 * x).sum(-1)

    def _rsample(self, draw):
        return torch.log(1 - draw.uniform((2,), self.like)) / 2


class _Gap(Density):
    """How far the other one is below it: e^-d."""

    def __init__(self) -> None:
        super().__init__((2,), 2)
        self.support = diffeo.supports.Features([diffeo.positive()] * 2)

    def _log_prob(self, x: Tensor, context: Tensor | None) -> Tensor:
        return -x.sum(-1)

    def _rsample(self, draw):
        return -torch.log(1 - draw.uniform((2,), self.like))


def test_four_exponential_numbers_by_their_maxima() -> None:
    flow = diffeo.SurjectiveFlow(_Largest(), MaxPool(4, 2, density=_Gap()))
    x = -torch.rand(20, 4) * 3
    assert flow.exactness == "exact"
    torch.testing.assert_close(flow.log_prob(x), x.sum(-1))
    drawn = flow.sample(20_000, seed=0)
    torch.testing.assert_close(drawn.mean(0), torch.full((4,), -1.0), atol=0.05, rtol=0)
    torch.testing.assert_close(torch.cov(drawn.T), torch.eye(4), atol=0.08, rtol=0)


@pytest.mark.parametrize("place", range(3))
def test_others_keep_their_order_and_ties_are_finite(place: int) -> None:
    layer = MaxPool(3, 3)
    x = torch.tensor([1.0, 2.0, 3.0]).roll(place)
    z, gaps = layer._parts(x)
    assert z.tolist() == [3.0]
    rest = [value for value in x.tolist() if value != 3.0]
    assert (3.0 - gaps).tolist() == rest
    assert layer.inverse(torch.full((3,), 5.0))[1].isfinite()


def test_a_fit_standardises_the_gaps() -> None:
    layer = MaxPool(4, 2)
    x = torch.randn(500, 4) * 100
    layer.initialize(x)
    z, gaps = layer._parts(x)
    drawn = layer.density.sample((), z, seed=0)
    assert drawn.log().mean().item() == pytest.approx(gaps.log().mean().item(), abs=0.3)


def test_errors() -> None:
    for features, size in ((4, 3), (4, 1)):
        with pytest.raises(ShapeError, match="do not make up 4 features"):
            MaxPool(features, size)
    with pytest.raises(ShapeError, match="whole number >= 1"):
        MaxPool(4, 0)
    with pytest.raises(ValueError, match="one of positive numbers, but it is one of real"):
        MaxPool(2, 2, density=diffeo.NSF(1, context=1, layers=1, hidden=(8,)))
    with pytest.raises(ShapeError, match="a density of 1 features given a context of width 1"):
        MaxPool(2, 2, density=diffeo.NSF(1, supports=diffeo.positive(), layers=1, hidden=(8,)))
