"""Autoregressions and couplings on a graph: sparsity, generations, errors."""

from __future__ import annotations

import pytest
import torch
from sparsity import slopes
from torch import Tensor

from diffeo.audit import perturbed
from diffeo.errors import ShapeError
from diffeo.transforms import Coupling, MaskedAutoregressive
from diffeo.univariates import Affine, CircularRationalQuadraticSpline, RationalQuadraticSpline

HIDDEN = (24, 24)


def _jacobian(layer: torch.nn.Module, features: int) -> Tensor:
    """Whether dy_i / dx_j is anything but 0, (D, D)."""
    x = torch.randn(20, features, dtype=torch.float64)
    return slopes(lambda point: layer(point)[0], x) != 0


def _graph(features: int) -> Tensor:
    """No order of 0..D-1 suits it."""
    torch.manual_seed(3)
    order = torch.randperm(features)
    return (torch.rand(features, features) < 0.4).tril(-1)[order][:, order]


@pytest.mark.parametrize("univariate", [Affine(), RationalQuadraticSpline(4)])
def test_the_jacobian_is_the_graph(univariate) -> None:
    graph = _graph(7)
    layer = perturbed(MaskedAutoregressive(7, univariate, adjacency=graph, hidden=HIDDEN)).double()
    assert torch.equal(_jacobian(layer, 7), graph | torch.eye(7, dtype=torch.bool))


def test_angles_depend_on_cosine_and_sine_of_their_parents() -> None:
    graph = _graph(5)
    spline = CircularRationalQuadraticSpline(4)
    layer = perturbed(MaskedAutoregressive(5, spline, adjacency=graph, hidden=HIDDEN)).double()
    assert torch.equal(_jacobian(layer, 5), graph | torch.eye(5, dtype=torch.bool))


@pytest.mark.parametrize(
    ("graph", "passes"),
    [
        (torch.zeros(9, 9), 1),
        (torch.cat([torch.ones(9, 1), torch.zeros(9, 8)], 1).tril(-1), 2),
        (torch.ones(9, 9).tril(-1), 9),
    ],
    ids=["no arrows", "one parent", "all"],
)
def test_the_inverse_takes_a_pass_for_each_generation(graph: Tensor, passes: int) -> None:
    torch.manual_seed(0)
    layer = perturbed(MaskedAutoregressive(9, Affine(), adjacency=graph, hidden=HIDDEN)).double()
    calls = []
    layer.conditioner.register_forward_hook(lambda *_: calls.append(1))
    y = torch.randn(6, 9, dtype=torch.float64)
    x, ladj = layer.inverse(y)
    assert len(calls) == passes
    again, back = layer(x)
    torch.testing.assert_close(again, y)
    torch.testing.assert_close(ladj, -back)


def test_a_moved_feature_sees_its_neighbours_that_stay() -> None:
    torch.manual_seed(1)
    neighbours = torch.rand(6, 6) < 0.5
    neighbours = neighbours | neighbours.T
    mask = torch.tensor([True, False, True, False, False, True])
    angles = torch.tensor([False, True, False, False, False, False])
    layer = Coupling(
        6, Affine(), mask=mask, angles=angles, adjacency=neighbours, hidden=HIDDEN, context=0
    )
    seen = _jacobian(perturbed(layer).double(), 6)
    kept = neighbours & mask[:, None] & ~mask[None]
    assert torch.equal(seen, kept | torch.eye(6, dtype=torch.bool))


def test_errors_name_what_does_not_go_together() -> None:
    cyclic = [[False, True], [True, False]]
    with pytest.raises(ShapeError, match=r"MaskedAutoregressive: .*it has [01] -> [01] -> [01]"):
        MaskedAutoregressive(2, Affine(), adjacency=cyclic)
    graph = [[False, False], [True, False]]
    with pytest.raises(ShapeError, match=r"of 3 features must have shape \(3, 3\), got \(2, 2\)"):
        MaskedAutoregressive(3, Affine(), adjacency=graph)
    for options in ({"order": [1, 0]}, {"residual": True}):
        with pytest.raises(ValueError, match="takes the place of order"):
            MaskedAutoregressive(2, Affine(), adjacency=graph, **options)
    for options in ({"residual": True}, {"conditioner": torch.nn.Identity()}):
        with pytest.raises(ValueError, match="neither residual nor a conditioner"):
            Coupling(2, Affine(), adjacency=graph, **options)
    # of an undirected graph both arrows are there
    Coupling(2, Affine(), adjacency=cyclic)
