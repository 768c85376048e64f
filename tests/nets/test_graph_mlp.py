"""GraphMLP: each output depends on exactly the inputs that the matrix names."""

from __future__ import annotations

import pytest
import torch
from sparsity import slopes
from torch import Tensor

from diffeo.audit import perturbed
from diffeo.errors import ContextError, ShapeError
from diffeo.nets import GraphMLP


def _seen(net: GraphMLP, inputs: int, context: int) -> Tensor:
    """(blocks * outputs, inputs): whether an output's slope by an input is anything but 0."""
    x = torch.randn(20, inputs, dtype=torch.float64)
    c = torch.randn(20, context, dtype=torch.float64) if context else None
    return slopes(lambda point: net(point, c), x) != 0


@pytest.mark.parametrize("hidden", [(12,), (16, 12, 16)])
@pytest.mark.parametrize("context", [0, 2])
def test_dependence_is_exactly_the_adjacency(hidden: tuple[int, ...], context: int) -> None:
    torch.manual_seed(0)
    adjacency = torch.rand(6, 5) < 0.4
    adjacency[0] = False
    net = perturbed(GraphMLP(adjacency, blocks=2, hidden=hidden, context=context)).double()
    assert torch.equal(_seen(net, 5, context), adjacency.repeat(2, 1))


def test_every_output_reads_the_context() -> None:
    torch.manual_seed(0)
    net = perturbed(GraphMLP(torch.eye(3).roll(1, 0).tril() > 0, 2, (8,), context=1)).double()
    x = torch.zeros(1, 3, dtype=torch.float64)
    near, far = (net(x, torch.full((1, 1), c, dtype=torch.float64)) for c in (0.0, 1.0))
    assert bool((near != far).all())


def test_without_inputs_or_parents_it_is_its_bias() -> None:
    assert GraphMLP(torch.zeros(2, 0), blocks=3)(torch.zeros(4, 0)).shape == (4, 6)
    net = perturbed(GraphMLP(torch.zeros(2, 2), blocks=1))
    assert torch.equal(net(torch.zeros(1, 2)), net(torch.ones(1, 2)))


def test_errors() -> None:
    with pytest.raises(ShapeError, match=r"3 different sets of inputs.*got hidden=\(8, 2\)"):
        GraphMLP(torch.eye(3) > 0, 1, hidden=(8, 2))
    with pytest.raises(ShapeError, match="must be a matrix"):
        GraphMLP([True, False], 1)  # type: ignore[list-item]
    with pytest.raises(ValueError, match="at least one layer"):
        GraphMLP(torch.eye(2), 1, hidden=())
    with pytest.raises(ContextError):
        GraphMLP(torch.eye(2), 1, context=1)(torch.zeros(2))
