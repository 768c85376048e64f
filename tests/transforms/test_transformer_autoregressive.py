"""Samples of transformer autoregressions: token after token, in windows, guided, differentiated."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from diffeo.audit import perturbed
from diffeo.errors import ContextError
from diffeo.transforms import TransformerAutoregressive
from diffeo.univariates import RationalQuadraticSpline

SIZES: dict[str, Any] = {"dim": 16, "layers": 2, "heads": 2}


def _layer(tokens: int = 9, context: int = 0, **options: Any) -> TransformerAutoregressive:
    return perturbed(TransformerAutoregressive(tokens, 3, context=context, **SIZES, **options))


def _naive(layer: TransformerAutoregressive, x: Tensor, context: Tensor | None) -> Tensor:
    """A pass over all tokens for each token."""
    x = x.flip(1) if layer.reverse else x
    y = torch.zeros_like(x)
    for t in range(x.shape[1]):
        params = layer._params(F.pad(y, (0, 0, 1, -1)), context, None)
        found, _ = layer.univariate.forward(x.movedim(-1, 0), params)
        y[:, t] = found.movedim(0, -1)[:, t]
    return y.flip(1) if layer.reverse else y


@pytest.mark.parametrize("univariate", [None, RationalQuadraticSpline(bins=4)])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("window", [1, 2, 4, 100])
@torch.no_grad()
def test_samples_are_those_of_naive_recomputation(
    window: int, reverse: bool, univariate: Any
) -> None:
    layer = _layer(context=2, reverse=reverse, window=window, univariate=univariate)
    x, context = torch.randn(5, 9, 3), torch.randn(5, 2)
    expected = _naive(layer, x, context)
    assert float((expected - x).abs().max()) > 0.5
    torch.testing.assert_close(layer(x, context)[0], expected, rtol=0, atol=1e-4)
    layer, x, context = layer.double(), x.double(), context.double()
    y, ladj = layer(x, context)
    torch.testing.assert_close(y, _naive(layer, x, context), rtol=0, atol=1e-8)
    torch.testing.assert_close(ladj, -layer.inverse(y, context)[1], rtol=0, atol=1e-8)


def _calls(layer: TransformerAutoregressive, x: Tensor) -> list[int]:
    """The number of tokens in each call of the network that ``forward`` makes."""
    counts: list[int] = []
    hook = layer.network.register_forward_pre_hook(lambda _, a: counts.append(a[0].shape[1]))
    layer(x)
    hook.remove()
    return counts


def test_a_window_needs_few_passes_where_tokens_hardly_depend_on_one_another() -> None:
    fresh = TransformerAutoregressive(9, 3, window=4, **SIZES)
    with torch.no_grad():
        assert _calls(fresh, torch.randn(5, 9, 3)) == [4, 4, 1]
        # never more passes than tokens, and a number that is not finite gets past no more
        strong = _layer(window=4)
        x = torch.randn(5, 9, 3)
        assert len(_calls(strong, x)) <= 9
        x[1, 0, 0] = torch.nan
        assert len(_calls(strong, x)) == 9
    # where gradients are wanted, one token after another
    assert _calls(fresh, torch.randn(5, 9, 3)) == [1] * 9


@torch.no_grad()
def test_what_is_chosen_on_a_cpu() -> None:
    layer = TransformerAutoregressive(9, 3, **SIZES)
    assert _calls(layer, torch.randn(1, 9, 3)) == [9]
    assert _calls(layer, torch.randn(2, 9, 3)) == [1] * 9


def test_a_nan_stays_in_its_row_of_a_window() -> None:
    layer, x = _layer(window=4).double(), torch.randn(5, 9, 3, dtype=torch.float64)
    with torch.no_grad():
        clean, _ = layer(x)
        x[1, 2, 0] = torch.nan
        y, ladj = layer(x)
    others = [0, 2, 3, 4]
    torch.testing.assert_close(y[others], clean[others])
    assert bool(y[1, 2, 0].isnan())
    assert bool(ladj[1].isnan())


def test_samples_are_differentiated_rightly() -> None:
    layer = perturbed(
        TransformerAutoregressive(4, 2, context=2, dim=4, layers=1, heads=2, reverse=True)
    ).double()
    x = torch.randn(2, 4, 2, dtype=torch.float64, requires_grad=True)
    context = torch.randn(2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda *a: layer(*a), (x, context))
    # parameters, along one direction, by central differences
    y, ladj = layer(x, context)
    weights = torch.randn_like(y)
    value = (y * weights).sum() + ladj.square().sum()
    parameters = list(layer.parameters())
    grads = torch.autograd.grad(value, parameters)
    steps = [1e-5 * torch.randn_like(p) for p in parameters]
    values = []
    with torch.no_grad():
        for sign in (1, -2):
            for parameter, step in zip(parameters, steps, strict=True):
                parameter.add_(sign * step)
            y, ladj = layer(x, context)
            values.append(float((y * weights).sum() + ladj.square().sum()))
    slope = sum(float((g * s).sum()) for g, s in zip(grads, steps, strict=True))
    assert slope == pytest.approx((values[0] - values[1]) / 2, rel=1e-4)


def test_second_derivatives_by_the_kernel_that_has_them() -> None:
    layer = _layer(3).double()
    y = torch.randn(2, 3, 3, dtype=torch.float64, requires_grad=True)
    with sdpa_kernel(SDPBackend.MATH):
        assert torch.autograd.gradgradcheck(lambda y: layer.inverse(y)[1], (y,))


@torch.no_grad()
def test_guidance_moves_parameters_away_from_those_without_context() -> None:
    layer = _layer(4, context=2).double()
    x = torch.randn(5, 4, 3, dtype=torch.float64)
    context, without = torch.randn(2, 5, 2, dtype=torch.float64)
    for rising, weights in ((True, (0, 0.5, 1.0, 1.5)), (False, (1.5,) * 4)):
        y = layer.guided(x, context, without, 1.5, rising=rising)
        # by hand, from the guided tokens before each
        before = F.pad(y, (0, 0, 1, -1))
        given, hidden = (layer._params(before, c, None) for c in (context, without))
        w = torch.tensor(weights, dtype=torch.float64)
        params = (1 + w) * given - w * hidden
        expected, _ = layer.univariate.forward(x.movedim(-1, 0), params)
        torch.testing.assert_close(y, expected.movedim(0, -1), rtol=0, atol=1e-10)
    unguided = layer.guided(x, context, without, 0.0)
    torch.testing.assert_close(unguided, layer(x, context)[0], rtol=0, atol=1e-12)


@torch.no_grad()
def test_guidance_in_windows_and_of_one_context_for_all_rows() -> None:
    layer = _layer(context=2, reverse=True).double()
    windows = _layer(context=2, reverse=True, window=4).double()
    windows.load_state_dict(layer.state_dict())
    x = torch.randn(5, 9, 3, dtype=torch.float64)
    context, without = torch.randn(2, 2, dtype=torch.float64)
    one = layer.guided(x, context, without, 0.7)
    torch.testing.assert_close(windows.guided(x, context, without, 0.7), one, rtol=0, atol=1e-8)
    many = layer.guided(x, context.expand(5, 2), without.expand(5, 2), 0.7)
    torch.testing.assert_close(many, one, rtol=0, atol=1e-12)
    each = layer.guided(x[0], context.expand(5, 2), without, 0.7)
    torch.testing.assert_close(each, one[:1].expand(5, 9, 3), rtol=0, atol=1e-12)
    with pytest.raises(ContextError, match="got one of shape"):
        layer.guided(x, context, without[:1], 0.7)
