"""Coupling, MaskedAutoregressive, Elementwise: masks, widths, structure, precision."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import diffeo
from diffeo.audit import check_transform, perturbed
from diffeo.errors import ContextError, ShapeError
from diffeo.transforms import Coupling, Elementwise, MaskedAutoregressive
from diffeo.univariates import Affine, RationalQuadraticSpline, Shift


@pytest.mark.parametrize(
    "mask",
    [[True], [True, True], [False, True, False], [True, False, True, True], torch.ones(3).bool()],
    ids=str,
)
def test_any_mask_that_moves_something(mask: list[bool]) -> None:
    size = len(mask)
    layer = perturbed(Coupling(size, Affine(), mask=mask, hidden=(16, 16)))
    check_transform(layer, trace=False).raise_if_failed()
    x = torch.randn(50, size)
    y, _ = layer(x)
    moved = (y != x).any(0)
    assert moved.tolist() == torch.as_tensor(mask).tolist()


@pytest.mark.parametrize(
    ("mask", "message"),
    [([True, False], r"3 booleans, got shape \(2,\)"), ([False] * 3, "at least one feature")],
)
def test_masks_that_do_not_fit(mask: list[bool], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        Coupling(3, Affine(), mask=mask)


@pytest.mark.parametrize("features", [1, 2, 3, 8])
def test_the_default_mask_moves_half(features: int) -> None:
    layer = Coupling(features, Shift(), hidden=(16,))
    assert len(layer.moved) == max(features // 2, 1)


@pytest.mark.parametrize("width", [5, 1, 4])
def test_a_conditioner_of_the_wrong_width_names_both(width: int) -> None:
    """normflows 1.7.3 broadcasts a conditioner of half the width and halves the log-det."""
    mask = [False, True, False, True, True, True]
    with pytest.raises(ShapeError, match=rf"x \(\*batch, 2\) to \(\*batch, 8\).*\(2, {width}\)"):
        Coupling(6, Affine(), mask=mask, conditioner=nn.Linear(2, width))


def test_a_conditioner_that_takes_another_width() -> None:
    with pytest.raises(ShapeError, match=r"must map x \(\*batch, 2\).*calling it failed"):
        Coupling(4, Affine(), conditioner=nn.Linear(3, 4))
    with pytest.raises(ShapeError, match=r"context \(\*batch, 5\)"):
        Elementwise(2, Affine(), context=5, conditioner=nn.Linear(3, 4))


@pytest.mark.parametrize("features", [3, 5])
def test_other_numbers_of_features_are_refused(features: int) -> None:
    """normflows 1.7.3 scores 3 features with a flow of 4."""
    flow = diffeo.RealNVP(4, hidden=(16, 16))
    with pytest.raises(ShapeError, match=rf"\(\*batch, 4\), got .*\(10, {features}\)"):
        flow.log_prob(torch.zeros(10, features))


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 1, 0, 2]])
def test_autoregressive_jacobian_is_triangular_in_its_order(order: list[int]) -> None:
    layer = perturbed(MaskedAutoregressive(4, Affine(), order=order, hidden=(16, 16))).double()
    jacobian = torch.autograd.functional.jacobian(
        lambda x: layer(x)[0], torch.randn(4, dtype=torch.float64)
    )
    ordered = jacobian[order][:, order]
    assert torch.equal(ordered, ordered.tril())
    assert bool((ordered.diagonal() > 0).all())
    assert bool((ordered.tril(-1)[1:].abs().sum(1) > 0).all())


@pytest.mark.parametrize("univariate", [Affine(), RationalQuadraticSpline(4)], ids=repr)
def test_conditional_elementwise_at_one_context_and_a_batch(univariate: Affine) -> None:
    """Parameters lead, so a context with fewer batch axes than x must not misalign them."""
    layer = perturbed(Elementwise((2, 3), univariate, context=4, hidden=(16, 16)))
    x, c = torch.randn(5, 7, 2, 3), torch.randn(7, 4)
    y, ladj = layer(x, c)
    one, one_ladj = layer(x[3, 4], c[4])
    torch.testing.assert_close(y[3, 4], one)
    torch.testing.assert_close(ladj[3, 4], one_ladj)
    check_transform(layer, trace=False).raise_if_failed()


def _half(layer: nn.Module, x: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    with torch.autocast("cpu", torch.bfloat16):
        return layer(x, c)


@pytest.mark.parametrize("univariate", [Affine(), RationalQuadraticSpline()], ids=repr)
@pytest.mark.parametrize("placement", [Coupling, MaskedAutoregressive, Elementwise])
def test_autocast_leaves_values_and_ladj_in_float32(placement: type, univariate: Affine) -> None:
    layer = perturbed(placement(4, univariate, context=2, hidden=(16, 16)))
    x, c = torch.randn(200, 4), torch.randn(200, 2)
    for act in (layer, layer.inverse):
        value, ladj = _half(act, x, c)
        assert value.dtype == ladj.dtype == torch.float32
        assert bool(value.isfinite().all() and ladj.isfinite().all())
    y, forward = _half(layer, x, c)
    again, inverse = _half(layer.inverse, y, c)
    # the networks saw bfloat16, so a round trip through rounded parameters stays only near
    if placement is not MaskedAutoregressive:
        torch.testing.assert_close(again, x, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(inverse, -forward, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("model", ["nice", "realnvp", "maf", "iaf", "nsf"])
def test_autocast_leaves_log_prob_in_float32(model: str) -> None:
    flow = perturbed(diffeo.models.model_class(model)(4, context=2, layers=2, hidden=(16, 16)))
    with torch.autocast("cpu", torch.bfloat16):
        log_prob = flow.log_prob(torch.randn(100, 4), torch.randn(100, 2))
        x, other = flow.rsample_and_log_prob(10, torch.randn(3, 2))
    for value in (log_prob, x, other):
        assert value.dtype == torch.float32
        assert bool(value.isfinite().all())


@pytest.mark.parametrize("layer", [Coupling, MaskedAutoregressive])
def test_context_errors_name_the_part_and_both_shapes(layer: type) -> None:
    made = layer(3, Affine(), context=4, hidden=(16,))
    with pytest.raises(ContextError, match=rf"{layer.__name__}: .*\(\*batch, 4\), but got none"):
        made(torch.zeros(2, 3))
    with pytest.raises(ContextError, match=rf"{layer.__name__}: .*\(\*batch, 4\).*\(2, 5\)"):
        made.inverse(torch.zeros(2, 3), torch.zeros(2, 5))


@pytest.mark.parametrize("model", [diffeo.NICE, diffeo.RealNVP, diffeo.MAF, diffeo.IAF])
def test_affine_models_of_one_feature_warn(model: type) -> None:
    with pytest.warns(UserWarning, match=f"{model.__name__} with one feature is only its base"):
        model(1, hidden=(16,))
    with pytest.warns(UserWarning, match="given the context"):
        model(1, context=2, hidden=(16,))


def test_a_layer_prints_what_it_was_given() -> None:
    printed = repr(Coupling(3, Affine(), context=2))
    assert "features=3, univariate=Affine(), context=2" in printed
    assert "transforms=" not in repr(diffeo.Sequential(Coupling(3, Affine())))
