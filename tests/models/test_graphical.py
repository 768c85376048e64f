"""GraphicalFlow: its density factorises, whatever its weights."""

from __future__ import annotations

import math

import pytest
import torch
from sparsity import slopes
from torch import Tensor

import diffeo
from diffeo.audit import perturbed
from diffeo.errors import ShapeError
from diffeo.univariates import Affine, Exp

# 0 -> 1 -> 3 <- 2, 4 alone
ARROWS = [(0, 1), (1, 3), (2, 3)]
GRAPH = [[(j, i) in ARROWS for j in range(5)] for i in range(5)]


def _flow(**options) -> diffeo.GraphicalFlow:
    torch.manual_seed(0)
    return perturbed(diffeo.GraphicalFlow(5, GRAPH, hidden=(16, 16), **options)).double()


def _interactions(flow: diffeo.GraphicalFlow, x: Tensor) -> Tensor:
    """The largest |d2 log p / dx_i dx_j| of the points, (D, D)."""
    return slopes(flow.score, x)


@pytest.mark.parametrize("supports", [None, diffeo.positive()])
def test_log_p_mixes_only_what_shares_a_factor(supports) -> None:
    flow = _flow(supports=supports)
    x = torch.rand(20, 5, dtype=torch.float64) + 0.2
    mixed = _interactions(flow, x) > 1e-9
    families = [{0}, {0, 1}, {2}, {1, 2, 3}, {4}]
    shared = torch.tensor(
        [[any({i, j} <= family for family in families) for j in range(5)] for i in range(5)]
    )
    assert torch.equal(mixed, shared)


def test_independences_are_those_of_the_graph() -> None:
    flow = _flow()
    assert flow.independent(0, 2)
    assert not flow.independent(0, 2, given=[3])
    assert flow.independent(0, 3, given=[1])
    assert not flow.independent(0, 3)
    assert flow.independent(4, 1, given=[0, 2, 3])
    for a, b, given in ((0, 0, []), (0, 5, []), (0, 1, [1])):
        with pytest.raises(ValueError, match=r"different features of 0\.\.4"):
            flow.independent(a, b, given)


def test_a_fit_finds_a_linear_normal_network() -> None:
    """x1 = x0 + noise, x2 = x1 - noise: the exact held-out likelihood is known."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(3000, 3, generator=generator)
    x = noise.clone()
    x[:, 1] = x[:, 0] + 0.5 * noise[:, 1]
    x[:, 2] = -x[:, 1] + 0.5 * noise[:, 2]
    chain = [[False] * 3, [True, False, False], [False, True, False]]
    flow = diffeo.GraphicalFlow(3, chain, univariate=Affine(), hidden=(16,), seed=0)
    flow.fit(x[:2000], epochs=30, lr=1e-2, progress=False)
    found = float(flow.log_prob(x[2000:]).detach().mean())
    entropy = 1.5 * math.log(2 * math.pi * math.e) + 2 * math.log(0.5)
    truth = -entropy + 1.5 - float((noise[2000:].square().sum(1) / 2).mean())
    assert found == pytest.approx(truth, abs=0.06)


def test_errors() -> None:
    with pytest.raises(ShapeError, match=r"simplex\(2\) ties 2 columns together"):
        diffeo.GraphicalFlow(2, [[0, 0], [1, 0]], supports=diffeo.simplex(2))
    with pytest.raises(ShapeError, match="must map the reals onto the reals"):
        diffeo.GraphicalFlow(2, [[0, 0], [1, 0]], univariate=Exp())
    with pytest.raises(ShapeError, match="no cycle"):
        diffeo.GraphicalFlow(2, [[0, 1], [1, 0]])
    with pytest.raises(ShapeError, match="whole number >= 1"):
        diffeo.GraphicalFlow(0, [])
