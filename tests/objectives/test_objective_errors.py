"""What the objectives refuse, by name, and what becomes of infinite and missing values."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

import diffeo
from diffeo.errors import ContextError, ShapeError
from diffeo.objectives import (
    alpha_divergence,
    annealing,
    fisher,
    forward_kl,
    iwae,
    renyi,
    reverse_kl,
)

LOSSES: dict[str, Any] = {
    "reverse_kl": reverse_kl,
    "sticking": partial(reverse_kl, gradient="sticking"),
    "path": partial(reverse_kl, gradient="path"),
    "forward_kl": forward_kl,
    "iwae": iwae,
    "doubly": partial(iwae, gradient="doubly"),
    "renyi": renyi,
    "alpha_divergence": partial(alpha_divergence, alpha=0.5),
    "fisher": fisher,
}


def _flow(**options: Any) -> diffeo.Flow:
    return diffeo.RealNVP(2, layers=2, hidden=(8,), seed=0, **options)


def _squares(x: Tensor) -> Tensor:
    return -x.square().sum(-1)


@pytest.mark.parametrize("name", LOSSES)
def test_a_target_of_another_shape_is_named(name: str) -> None:
    def elementwise(x: Tensor) -> Tensor:
        return -x.square()

    def column(x: Tensor) -> Tensor:
        return -x.square().sum(-1, keepdim=True)

    def total(x: Tensor) -> Tensor:
        return -x.square().sum()

    for wrong, shape in ((elementwise, r"\(\d+, 2\)"), (column, r"\(\d+, 1\)"), (total, r"\(\)")):
        with pytest.raises(ShapeError, match=rf"target '{wrong.__name__}' .* got shape {shape}"):
            LOSSES[name](_flow(), wrong)


@pytest.mark.parametrize("name", LOSSES)
def test_a_target_that_returns_no_tensor(name: str) -> None:
    with pytest.raises(TypeError, match="must return a tensor, got ndarray"):
        LOSSES[name](_flow(), lambda x: x.detach().numpy().sum(-1))


@pytest.mark.parametrize("name", LOSSES)
def test_a_target_without_gradient(name: str) -> None:
    def cut(x: Tensor) -> Tensor:
        return _squares(x.detach())

    if name == "forward_kl":  # which wants none
        assert bool(forward_kl(_flow(), cut).isfinite())
        return
    with pytest.raises(TypeError, match="'cut' carry no gradient"):
        LOSSES[name](_flow(), cut)
    with torch.no_grad():
        if name not in ("alpha_divergence", "fisher"):
            assert bool(LOSSES[name](_flow(), cut).isfinite())


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("count", [0, -1, 1.5, True, "many"])
def test_a_number_of_draws_must_be_whole(name: str, count: Any) -> None:
    with pytest.raises(ValueError, match="n must be a whole number >= 1"):
        LOSSES[name](_flow(), _squares, count)


@pytest.mark.parametrize("name", LOSSES)
def test_a_context_that_is_missing_or_too_wide(name: str) -> None:
    flow = _flow(context=1)
    with pytest.raises(ContextError, match="context of shape"):
        LOSSES[name](flow, _squares)
    with pytest.raises(ContextError, match="context of shape"):
        LOSSES[name](flow, _squares, context=torch.zeros(3, 2))


@pytest.mark.parametrize("name", LOSSES)
def test_a_density_that_is_a_bound(name: str) -> None:
    table = [diffeo.real(), diffeo.integers(0)]
    dequantize = diffeo.surjections.UniformDequantization(table)
    noise = diffeo.RealNVP(2, supports=dequantize.domain.supports, layers=2, seed=0)
    flow = diffeo.SurjectiveFlow(noise, dequantize)
    with pytest.raises(TypeError, match="SurjectiveFlow is a bound"):
        LOSSES[name](flow, _squares)


@pytest.mark.parametrize("name", LOSSES)
def test_a_mixture_whose_draws_carry_no_gradient(name: str) -> None:
    mixture = diffeo.Mixture(_flow(), _flow())
    if name in ("forward_kl", "fisher"):
        LOSSES[name](mixture, _squares, seed=0).backward()
        assert bool(mixture.logits.grad.isfinite().all())
        return
    wanted = "needs a flow" if name == "path" else "cannot be reparameterised"
    with pytest.raises(TypeError, match=wanted):
        LOSSES[name](mixture, _squares)


def test_path_of_a_flow_whose_base_cannot_be_reparameterised() -> None:
    flow = diffeo.Flow(diffeo.bases.GaussianMixture(2), _flow().transform)
    with pytest.raises(TypeError, match="cannot be reparameterised"):
        reverse_kl(flow, _squares, gradient="path")


def test_options_out_of_range() -> None:
    flow = _flow()
    with pytest.raises(ValueError, match=r"gradient must be one of .*'path'.* got 'stl'"):
        reverse_kl(flow, _squares, gradient="stl")
    with pytest.raises(ValueError, match=r"gradient must be one of .*'doubly'.* got 'path'"):
        iwae(flow, _squares, gradient="path")
    for beta in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="beta must be above 0"):
            reverse_kl(flow, _squares, beta=beta)
    for alpha in (-0.1, math.inf, math.nan):
        with pytest.raises(ValueError, match="alpha must be >= 0"):
            renyi(flow, _squares, alpha=alpha)
    with pytest.raises(ValueError, match="alpha must be finite"):
        alpha_divergence(flow, _squares, alpha=math.inf)
    for loss in (iwae, renyi):
        with pytest.raises(ValueError, match="particles must be a whole number"):
            loss(flow, _squares, 4, 0)
    with pytest.raises(ShapeError, match=r"the proposal has events of shape \(3,\)"):
        forward_kl(flow, _squares, proposal=diffeo.bases.StandardNormal(3))
    with pytest.raises(ValueError, match="step must be >= 0"):
        annealing(-1)
    with pytest.raises(ValueError, match="steps must be"):
        annealing(0, steps=0)
    with pytest.raises(ValueError, match="start must be"):
        annealing(0, start=0.0)


def _half(x: Tensor) -> Tensor:
    """A normal on the right half plane."""
    return torch.where(x[..., 0] > 0, _squares(x), -torch.inf)


def _loss(name: str, target: Any) -> float:
    with torch.no_grad():
        return float(LOSSES[name](_flow(), target, seed=0))


def test_a_target_of_minus_infinity_at_some_draws() -> None:
    for name in ("reverse_kl", "sticking", "path"):
        assert _loss(name, _half) == math.inf
    for name in ("forward_kl", "iwae", "renyi", "doubly", "alpha_divergence"):
        assert math.isfinite(_loss(name, _half))
    with torch.no_grad():
        assert float(renyi(_flow(), _half, alpha=2.0, seed=0)) == math.inf
        assert float(alpha_divergence(_flow(), _half, alpha=0.0, seed=0)) == math.inf
    loss = alpha_divergence(_flow(), _half, alpha=1.0, seed=0)
    assert bool(loss.isfinite())


def test_a_target_of_minus_infinity_at_all_draws() -> None:
    def nowhere(x: Tensor) -> Tensor:
        return _squares(x) - torch.inf

    for name in ("reverse_kl", "sticking", "path", "iwae", "doubly", "renyi"):
        assert _loss(name, nowhere) == math.inf
    for name in ("forward_kl", "alpha_divergence"):
        assert math.isnan(_loss(name, nowhere))


@pytest.mark.parametrize("name", LOSSES)
def test_a_target_of_nan_is_not_hidden(name: str) -> None:
    def broken(x: Tensor) -> Tensor:
        return torch.where(x[..., 0] > 1, x[..., 0] * torch.nan, _squares(x))

    assert math.isnan(_loss(name, broken))


def test_draws_outside_a_bounded_density_have_no_weight() -> None:
    """A proposal wider than q and p, both of which live on (0, inf)."""
    flow = diffeo.NSF(1, supports=[diffeo.positive()], layers=1, hidden=(8,), seed=0)

    def p(x: Tensor) -> Tensor:
        return torch.where(x[..., 0] > 0, -x[..., 0], -torch.inf)

    loss = forward_kl(flow, p, 200, proposal=diffeo.bases.DiagonalNormal(1, scale=2.0), seed=0)
    loss.backward()
    assert bool(loss.isfinite())
    assert all(bool(w.grad.isfinite().all()) for w in flow.parameters() if w.grad is not None)


def test_fisher_on_the_simplex_is_that_of_its_coordinates() -> None:
    """Two targets that agree on the simplex and differ off it are one to it."""
    flow = diffeo.RealNVP(3, supports=[diffeo.simplex(3)], layers=2, hidden=(8,), seed=0).double()

    def dirichlet(x: Tensor) -> Tensor:
        return (2 * x.log()).sum(-1)

    def other(x: Tensor) -> Tensor:
        return dirichlet(x) + 5 * (x.sum(-1) - 1)

    loss = fisher(flow, dirichlet, seed=0)
    torch.testing.assert_close(loss, fisher(flow, other, seed=0))


def test_fisher_on_correlations_without_gradients_gives_the_same_number() -> None:
    flow = diffeo.RealNVP(9, supports=[diffeo.corr_cholesky(3)], layers=2, hidden=(8,), seed=0)
    loss = fisher(flow, _squares, seed=0)
    with torch.no_grad():
        torch.testing.assert_close(fisher(flow, _squares, seed=0), loss.detach())
