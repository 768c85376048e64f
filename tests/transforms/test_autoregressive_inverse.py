"""The autoregressive inverse: equal to a pass for each feature, at the cost of one."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from diffeo.audit import perturbed
from diffeo.transforms import MaskedAutoregressive
from diffeo.univariates import (
    Affine,
    CircularRationalQuadraticSpline,
    RationalQuadraticSpline,
    Shift,
    Univariate,
)

F64 = torch.float64
SIZES = [1, 2, 7, 21]


class _Whole(nn.Module):
    """A network as a user's own, which gives all outputs at once alone."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, *given: Tensor) -> Tensor:
        out: Tensor = self.network(*given)
        return out


def _pair(
    features: int,
    univariate: Univariate,
    *,
    context: int = 0,
    scale: float = 1.0,
    **options: object,
) -> tuple[MaskedAutoregressive, MaskedAutoregressive]:
    """The same layer in a random order, with its inverse found in order and by D passes."""
    order = torch.randperm(features).tolist()
    layer = perturbed(
        MaskedAutoregressive(features, univariate, order=order, context=context, **options)  # type: ignore[arg-type]
    ).double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.mul_(scale)
    whole = _Whole(layer.conditioner)
    return layer, MaskedAutoregressive(
        features, univariate, order=order, context=context, conditioner=whole
    )


def _close(found: Tensor, expected: Tensor, relative: float) -> None:
    assert found.shape == expected.shape
    torch.testing.assert_close(found, expected, rtol=relative, atol=relative)


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("hidden", [(16, 16), (3, 3), (24, 24, 24)], ids=str)
@pytest.mark.parametrize(
    "univariate",
    [Affine(), RationalQuadraticSpline(4), CircularRationalQuadraticSpline(4)],
    ids=lambda u: type(u).__name__,
)
def test_it_equals_a_pass_for_each_feature(
    univariate: Univariate, hidden: tuple[int, ...], residual: bool
) -> None:
    for features, context, batch in product(SIZES, (0, 3), ((), (2, 3), (0,))):
        layer, slow = _pair(features, univariate, context=context, hidden=hidden, residual=residual)
        y = torch.randn(*batch, features, dtype=F64, requires_grad=True)
        c = torch.randn(*batch[1:], context, dtype=F64, requires_grad=True) if context else None
        inputs = [y, *([] if c is None else [c]), *layer.parameters()]
        gradients = []
        for made in (layer, slow):
            x, ladj = made.inverse(y, c)
            loss = x.square().sum() + ladj.sum()
            # nothing reads the input of a single feature
            gradients.append(
                torch.autograd.grad(loss, inputs, allow_unused=True, materialize_grads=True)
            )
        for found, expected in zip(layer.inverse(y, c), slow.inverse(y, c), strict=True):
            _close(found, expected, 1e-12)
        for one, other in zip(*gradients, strict=True):
            _close(one, other, 1e-10)


def test_hidden_layers_of_unequal_widths_and_float32() -> None:
    layer, slow = _pair(9, RationalQuadraticSpline(4), hidden=(5, 33, 12))
    y = torch.randn(20, 9, dtype=F64)
    for found, expected in zip(layer.inverse(y), slow.inverse(y), strict=True):
        _close(found, expected, 1e-12)
    found, expected = layer.float().inverse(y.float())[0], slow.float().inverse(y.float())[0]
    _close(found, expected, 1e-4)


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("features", [9, 21, 63])
def test_its_products_cost_less_than_a_pass(features: int, residual: bool) -> None:
    layer = MaskedAutoregressive(features, Affine(), hidden=(128, 128), residual=residual)
    y = torch.randn(10, features)
    cost = []
    for act in (layer, layer.inverse):
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            act(y)
        cost.append(counter.get_total_flops())
    assert 0.4 * cost[0] < cost[1] < 0.65 * cost[0]


# torch's own forward mode scripts some derivatives
@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_functorch_and_higher_derivatives() -> None:
    layer, slow = _pair(7, RationalQuadraticSpline(4), context=2, hidden=(16, 16))
    y, c = torch.randn(5, 7, dtype=F64), torch.randn(5, 2, dtype=F64)
    x, ladj = layer.inverse(y, c)
    found = torch.func.vmap(layer.inverse)(y, c)
    _close(found[0], x, 1e-12)
    for derivative in (torch.func.jacrev, torch.func.jacfwd):
        jacobian = torch.func.vmap(derivative(lambda y, c: layer.inverse(y, c)[0]))(y, c)
        _close(torch.linalg.slogdet(jacobian)[1], ladj, 1e-10)
    hessians = [
        torch.autograd.functional.hessian(lambda y, m=made: m.inverse(y, c[0])[1], y[0])
        for made in (layer, slow)
    ]
    _close(hessians[0], hessians[1], 1e-9)


def test_half_precision_around_it() -> None:
    layer, _ = _pair(7, Affine(), hidden=(16, 16))
    layer = layer.float()
    y = torch.randn(30, 7)
    plain = layer.inverse(y)[0]
    with torch.autocast("cpu", torch.bfloat16):
        _close(layer.inverse(y)[0], plain, 1e-6)
        assert layer.inverse(y.bfloat16())[0].dtype == torch.bfloat16


@pytest.mark.parametrize("univariate", [Affine(), RationalQuadraticSpline(4)], ids=repr)
@pytest.mark.parametrize("scale", [0.0, 1.0, 2.0, 5.0])
def test_few_rows_by_whole_passes(
    univariate: Univariate, scale: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer, slow = _pair(21, univariate, context=2, scale=scale, hidden=(64, 64))
    passes = []
    layer.conditioner.register_forward_hook(lambda *_: passes.append(1))
    given = []
    settled = MaskedAutoregressive._settled

    def recorded(*arguments: object) -> object:
        given.append(settled(*arguments))  # type: ignore[arg-type]
        return given[-1]

    monkeypatch.setattr(MaskedAutoregressive, "_settled", recorded)
    y, c = torch.randn(3, 21, dtype=F64), torch.randn(2, dtype=F64)
    with torch.no_grad():
        x, ladj = layer.inverse(y, c)
        count = len(passes)
        expected = slow.inverse(y, c)
    assert len(given) == 1
    assert 1 <= count <= 10
    if scale <= 1:
        assert given[0] is not None
        assert count < 10
    # a change of a few roundings grows as any rounding of y does
    _close(x, expected[0], 1e-10)
    _close(ladj, expected[1], 1e-10)


class _Chain(nn.Module):
    """Every feature but the first is tied to the one before it."""

    def forward(self, x: Tensor) -> Tensor:
        return 30 * nn.functional.pad(x[..., :-1], (1, 0))


def test_whole_passes_are_given_up_where_a_change_wanders_through_all_features() -> None:
    layer = MaskedAutoregressive(32, Shift(), conditioner=_Chain())
    y = torch.randn(2, 32)
    assert layer._settled(y, None) is None
    assert layer._settled(torch.full_like(y, torch.nan), None) is None
    assert layer._settled(torch.zeros_like(y), None) is not None


def test_a_value_that_is_not_finite_spreads_to_later_features_alone() -> None:
    layer, slow = _pair(21, Affine(), hidden=(64, 64))
    y = torch.randn(2, 21, dtype=F64)
    y[0, 10] = torch.nan
    with torch.no_grad():
        assert torch.equal(layer.inverse(y)[0].isnan(), slow.inverse(y)[0].isnan())


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_gradients_are_never_lost_to_whole_passes() -> None:
    layer, slow = _pair(21, Affine(), hidden=(64, 64))
    y = torch.randn(21, dtype=F64)
    found = torch.autograd.grad(layer.inverse(y)[1], list(layer.parameters()))
    expected = torch.autograd.grad(slow.inverse(y)[1], list(layer.parameters()))
    for one, other in zip(found, expected, strict=True):
        _close(one, other, 1e-10)
    layer.requires_grad_(False)
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(y, torch.ones_like(y))
        tangent = torch.autograd.forward_ad.unpack_dual(layer.inverse(dual)[0]).tangent
        other = torch.autograd.forward_ad.unpack_dual(slow.inverse(dual)[0]).tangent
    _close(tangent, other, 1e-10)
