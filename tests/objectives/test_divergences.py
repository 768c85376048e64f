"""Values and gradients of the divergences beside their closed forms for normals."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import pytest
import torch
from gaussians import (
    LOC,
    LOG_Z,
    MEAN,
    SCALE,
    WIDTH,
    closed,
    gradient_of,
    kl_from_target,
    kl_to_target,
    log_power,
    normal,
    quantiles,
    target,
)
from torch import Tensor

import diffeo
from diffeo.audit import perturbed
from diffeo.objectives import alpha_divergence, fisher, forward_kl, iwae, renyi, reverse_kl

DRAWS = 40_000


def _agree(loss: Tensor, density: Any, truth: tuple[float, Tensor], atol: float = 2e-3) -> None:
    assert float(loss.detach()) == pytest.approx(truth[0], abs=atol)
    torch.testing.assert_close(gradient_of(loss, density), truth[1], atol=atol, rtol=0)


@pytest.mark.parametrize("gradient", ["standard", "sticking"])
@pytest.mark.parametrize("beta", [0.25, 1.0])
def test_reverse_kl_of_normals(gradient: Any, beta: float) -> None:
    def tempered(loc: Tensor, scale: Tensor) -> Tensor:
        """E_q[log q - beta log p]."""
        entropy = 0.5 + math.log(2 * math.pi) / 2 + scale.log()
        cross = -kl_to_target(loc, scale) - entropy + LOG_Z
        return -entropy - beta * cross

    q = quantiles()
    _agree(reverse_kl(q, target, DRAWS, gradient=gradient, beta=beta), q, closed(tempered))


def test_reverse_kl_is_the_divergence_less_log_z() -> None:
    value, _ = closed(kl_to_target)
    found = float(reverse_kl(quantiles(), target, DRAWS).detach())
    assert found == pytest.approx(value - LOG_Z, abs=1e-3)


def test_forward_kl_of_normals_from_its_own_draws_and_from_a_proposal() -> None:
    value, gradient = closed(kl_from_target)
    entropy = 0.5 + math.log(2 * math.pi) / 2 + math.log(SCALE)
    q = quantiles()
    # the tails of q are lighter than those of p, so its own draws are less exact
    _agree(forward_kl(q, target, DRAWS), q, (value + entropy, gradient), atol=2e-2)
    wide = quantiles(width=3.0)
    loss = forward_kl(q, target, DRAWS, proposal=wide)
    _agree(loss, q, (value + entropy, gradient), atol=1e-3)
    assert not bool(gradient_of(loss, wide).any())


@pytest.mark.parametrize("alpha", [-0.5, 0.0, 1e-9, 0.5, 1 - 1e-6, 1.0, 1 + 1e-6, 2.0])
def test_alpha_divergence_of_normals(alpha: float) -> None:
    def divergence(loc: Tensor, scale: Tensor) -> Tensor:
        if abs(alpha) < 1e-6:
            return kl_to_target(loc, scale)
        if abs(alpha - 1) < 1e-4:
            return kl_from_target(loc, scale)
        return log_power(loc, scale, alpha) / (alpha * (alpha - 1))

    q = quantiles(width=1.5)  # wider than p, so that all moments of the weights are finite
    _agree(alpha_divergence(q, target, DRAWS, alpha=alpha), q, closed(divergence, width=1.5))


def test_alpha_two_is_the_chi_squared_upper_bound() -> None:
    q = quantiles(width=1.5)
    x, log_q = q.sample_and_log_prob(DRAWS)
    bound = float(torch.exp(2 * (target(x) - log_q)).mean().log() / 2)
    loss = float(alpha_divergence(q, target, DRAWS, alpha=2.0).detach())
    assert loss + LOG_Z == pytest.approx(bound, abs=1e-6)
    assert bound > LOG_Z


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1 - 1e-8, 1.0, 1 + 1e-8, 2.0])
def test_renyi_bound_of_normals(alpha: float) -> None:
    def bound(loc: Tensor, scale: Tensor) -> Tensor:
        if abs(alpha - 1) < 1e-6:
            return kl_to_target(loc, scale) - LOG_Z
        return -log_power(loc, scale, 1 - alpha) / (1 - alpha) - LOG_Z

    # narrower than p for alpha > 1, so that q / p has its moments
    width = 1.1 if alpha > 1.5 else 1.5
    q = quantiles(width=width)
    found = renyi(q, target, n=1, particles=DRAWS, alpha=alpha)
    _agree(found, q, closed(bound, width=width))


def test_renyi_has_the_elbo_and_iwae_as_its_limits() -> None:
    q = normal()
    elbo = reverse_kl(q, target, 12, seed=3)
    tight = iwae(q, target, 3, 4, seed=3)
    for loss, alpha in ((elbo, 1.0), (elbo, 1 + 1e-9), (tight, 0.0), (tight, 1e-9)):
        found = renyi(q, target, 3, 4, alpha=alpha, seed=3)
        assert float(found.detach()) == pytest.approx(float(loss.detach()), abs=1e-7)
        same = gradient_of(found, q), gradient_of(loss, q)
        torch.testing.assert_close(*same, atol=1e-7, rtol=0)


@pytest.mark.parametrize("log_z", [-1e4, 1e4])
def test_a_far_log_z_shifts_bounds_and_leaves_divergences(log_z: float) -> None:
    """Where p / q itself leaves the range of numbers."""

    def far(x: Tensor) -> Tensor:
        return target(x) + log_z

    q = normal()
    for alpha in (0.0, 0.5, 1.0, 2.0):
        pair = (renyi(q, p, alpha=alpha, seed=0) for p in (far, target))
        shifted, bound = (float(loss.detach()) for loss in pair)
        assert shifted == pytest.approx(bound - log_z, abs=1e-6)
    for alpha in (-0.5, 0.0, 0.5, 1.0, 2.0):
        pair = (alpha_divergence(q, p, alpha=alpha, seed=0) for p in (far, target))
        torch.testing.assert_close(*pair, atol=1e-6, rtol=0)


@pytest.mark.parametrize("alpha", [1 - 1e-7, 1 + 1e-7])
def test_no_digits_are_lost_near_the_elbo_in_float32(alpha: float) -> None:
    q = normal().float()
    near, elbo = (float(renyi(q, target, alpha=a, seed=0).detach()) for a in (alpha, 1.0))
    assert near == pytest.approx(elbo, abs=1e-5)


def test_fisher_divergence_of_normals_with_draws_held_fixed() -> None:
    slopes = 1 / SCALE**2 - 1 / WIDTH**2
    shift = (LOC - MEAN) / SCALE**2
    value = slopes**2 * WIDTH**2 + shift**2
    # by hand: only the score of q is differentiated
    gradient = torch.tensor([2 * shift / WIDTH**2, 4 * slopes], dtype=torch.float64)
    q = quantiles()
    _agree(fisher(q, target, DRAWS), q, (value, gradient))
    with torch.no_grad():
        assert float(fisher(q, target, DRAWS)) == pytest.approx(value, abs=2e-3)


LOSSES = {
    "reverse_kl": reverse_kl,
    "sticking": partial(reverse_kl, gradient="sticking"),
    "forward_kl": forward_kl,
    "iwae": iwae,
    "doubly": partial(iwae, gradient="doubly"),
    "renyi": renyi,
    "alpha 1/2": partial(alpha_divergence, alpha=0.5),
    "alpha 1": partial(alpha_divergence, alpha=1.0),
    "alpha 2": partial(alpha_divergence, alpha=2.0),
    "fisher": fisher,
}


@pytest.mark.parametrize("name", LOSSES)
def test_minimising_finds_the_target(name: str) -> None:
    q = normal(0.0, 2.0)
    optimizer = torch.optim.Adam(q.parameters(), lr=0.05)
    generator = torch.Generator().manual_seed(0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 150)
    for _ in range(150):
        optimizer.zero_grad()
        LOSSES[name](q, target, seed=generator).backward()
        optimizer.step()
        schedule.step()
    assert float(q.loc.detach()) == pytest.approx(MEAN, abs=0.05)
    assert float(q.log_scale.detach().exp()) == pytest.approx(SCALE, abs=0.05)


EXACT_AT_THE_OPTIMUM = ["sticking", "doubly", "alpha 1/2", "alpha 1", "alpha 2", "fisher"]


@pytest.mark.parametrize("name", LOSSES)
def test_which_gradients_vanish_draw_by_draw_where_q_is_p(name: str) -> None:
    q = perturbed(diffeo.RealNVP(2, layers=2, hidden=(8,), seed=0)).double()
    p = perturbed(diffeo.RealNVP(2, layers=2, hidden=(8,), seed=0)).double()
    p.load_state_dict(q.state_dict())
    gradient = gradient_of(LOSSES[name](q, p.log_prob, seed=0), q)
    largest = float(gradient.abs().max())
    if name in EXACT_AT_THE_OPTIMUM:
        assert largest < 1e-10
    else:
        assert largest > 1e-3


@pytest.mark.parametrize("name", LOSSES)
def test_the_loss_is_a_mean_over_contexts(name: str) -> None:
    """Of an amortised q; the gradient also reaches the context."""
    q = perturbed(diffeo.RealNVP(2, context=1, layers=2, hidden=(8,), seed=0)).double()
    shifts = torch.tensor([[0.0], [1.0], [3.0]], dtype=torch.float64)
    context = torch.tensor([[0.2], [0.5], [-1.0]], dtype=torch.float64, requires_grad=True)
    seen = []

    def p(x: Tensor) -> Tensor:
        seen.append(tuple(x.shape))
        return -(x - shifts).square().sum(-1)

    loss = LOSSES[name](q, p, 16, context=context, seed=0)
    rows = 16 * (8 if name in ("iwae", "doubly", "renyi") else 1)
    assert set(seen) == {(rows, 3, 2)}
    assert loss.shape == ()
    (gradient,) = torch.autograd.grad(loss, context)
    assert bool((gradient != 0).all())


def test_a_proposal_without_context_serves_every_context() -> None:
    q = diffeo.RealNVP(2, context=1, layers=2, hidden=(8,), seed=0)
    wide = diffeo.bases.DiagonalNormal(2, scale=2.0)
    shapes = []

    def p(x: Tensor) -> Tensor:
        shapes.append(tuple(x.shape))
        return -x.square().sum(-1)

    forward_kl(q, p, 8, proposal=wide, context=torch.zeros(3, 1), seed=0).backward()
    assert shapes == [(8, 3, 2)]
