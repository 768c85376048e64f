"""Constants of univariates: made once, whole under whatever traces or transforms."""

from __future__ import annotations

import copy

import pytest
import torch
from torch.func import jacrev, vmap
from torch.utils._python_dispatch import TorchDispatchMode

from diffeo.univariates import (
    Bernstein,
    DeepSigmoidal,
    DenseSigmoidal,
    MixtureOfGaussians,
    MixtureOfLogistics,
    MonotoneNetwork,
    SumOfSquares,
)
from diffeo.univariates.constants import _made, constants

UNIVARIATES = [
    Bernstein(degree=5),
    DeepSigmoidal(units=5),
    DenseSigmoidal(units=3),
    MixtureOfGaussians(components=5),
    MixtureOfLogistics(components=5),
    MonotoneNetwork(units=3),
    SumOfSquares(),
]
VALUES = (0.1, -2.0, 3.5)


def name(univariate: object) -> str:
    return type(univariate).__name__


class Copies(TorchDispatchMode):
    """Counts tensors that are made of numbers of the host: torch.tensor ends in lift_fresh."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += "lift_fresh" in str(func) or "_to_copy" in str(func)
        return func(*args, **(kwargs or {}))


def test_the_counter_sees_a_copy() -> None:
    with Copies() as copies:
        torch.zeros(3).new_tensor([1.0, 2.0])
    assert copies.count


@pytest.mark.parametrize("univariate", UNIVARIATES, ids=name)
def test_no_call_but_the_first_copies_from_the_host(univariate) -> None:
    x, params = torch.randn(7), 0.3 * torch.randn(univariate.num_params, 7)
    univariate.forward(x, params)
    with Copies() as copies:
        univariate.forward(x, params)
    assert copies.count == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_values(dtype: torch.dtype) -> None:
    like = torch.zeros(3, 4, 5, dtype=dtype)
    found = constants(VALUES, like)
    assert torch.equal(found, torch.tensor(VALUES, dtype=dtype).reshape(3, 1, 1))
    assert found.dtype == dtype


def test_what_is_made_in_inference_mode_serves_gradients() -> None:
    _made.cache_clear()
    weight = torch.ones(3, requires_grad=True)
    with torch.inference_mode():
        constants(VALUES, torch.zeros(3))
    (weight * constants(VALUES, weight.detach())).sum().backward()
    assert weight.grad.tolist() == pytest.approx(VALUES)


@pytest.mark.filterwarnings("ignore:There is a performance drop:UserWarning")  # of vmap
@pytest.mark.parametrize("univariate", UNIVARIATES, ids=name)
def test_nothing_of_a_transform_or_a_trace_is_kept(univariate) -> None:
    x, params = torch.randn(4), 0.3 * torch.randn(univariate.num_params, 4)
    _made.cache_clear()
    compiled = torch.compile(univariate.forward, fullgraph=True, backend="eager")
    compiled(x, params)
    torch.export.export(_Module(univariate), (x, params))
    slope = jacrev(lambda x: univariate.forward(x, params)[0].sum())(x)
    vmap(univariate.forward, in_dims=(0, 1))(x, params)
    assert _made.cache_info().currsize == 0
    # and now the plain call, and the others after it
    y, log_slope = univariate.forward(x, params)
    torch.testing.assert_close(slope.log(), log_slope, rtol=1e-4, atol=1e-4)
    for found in (compiled(x, params), vmap(univariate.forward, in_dims=(0, 1))(x, params)):
        torch.testing.assert_close(found, (y, log_slope))
    torch.testing.assert_close(copy.deepcopy(univariate).forward(x, params)[0], y)


class _Module(torch.nn.Module):
    def __init__(self, univariate) -> None:
        super().__init__()
        self.univariate = univariate

    def forward(self, x, params):
        return self.univariate.forward(x, params)
