"""Estimators of one gradient beside each other: the same mean, less variance, exact identities."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from gaussians import LOG_Z, WIDTH, gradient_of, normal, target
from torch import Tensor

import diffeo
from diffeo.audit import perturbed
from diffeo.bases import DiagonalNormal, MultivariateNormal
from diffeo.objectives import alpha_divergence, annealing, iwae, reverse_kl
from diffeo.transforms import Elementwise
from diffeo.univariates import Affine, SinhArcsinh


def _quartic(x: Tensor) -> Tensor:
    flat = x.flatten(1) if x.ndim > 1 else x
    return -(flat - 0.3).pow(4).sum(-1) / 4 - flat.prod(-1)


def test_gradients_of_reverse_kl_are_those_written_out_for_a_normal() -> None:
    q = normal()
    noise = (q.sample(50, seed=1) - q.loc.detach()) / WIDTH
    x = q.sample(50, seed=1).requires_grad_()
    (climb,) = torch.autograd.grad(target(x).sum(), x)
    standard = torch.stack([-climb.mean(), -(climb * WIDTH * noise).mean() - 1])
    found = gradient_of(reverse_kl(q, target, 50, seed=1), q)
    torch.testing.assert_close(found, standard)
    # the score of q is -noise / WIDTH at x
    rest = -noise / WIDTH - climb
    sticking = torch.stack([rest.mean(), (rest * WIDTH * noise).mean()])
    found = gradient_of(reverse_kl(q, target, 50, gradient="sticking", seed=1), q)
    torch.testing.assert_close(found, sticking)


def _batches(loss: Any, density: Any, batches: int = 40) -> Tensor:
    return torch.stack([gradient_of(loss(seed), density) for seed in range(batches)])


def _same_mean(one: Tensor, other: Tensor) -> None:
    """By a z-test of the means over batches."""
    error = (one.var(0) / len(one) + other.var(0) / len(other)).sqrt()
    assert bool(((one.mean(0) - other.mean(0)).abs() < 4 * error).all())


def test_sticking_is_unbiased_and_has_less_variance_near_the_target() -> None:
    q = normal(0.2, 1.3)
    standard, sticking = (
        _batches(lambda seed, kind=kind: reverse_kl(q, target, 2000, gradient=kind, seed=seed), q)
        for kind in ("standard", "sticking")
    )
    _same_mean(standard, sticking)
    assert bool((sticking.var(0) < standard.var(0) / 10).all())


def test_doubly_is_unbiased_and_has_less_variance() -> None:
    q = normal()
    standard, doubly = (
        _batches(lambda seed, kind=kind: iwae(q, target, 1000, 4, gradient=kind, seed=seed), q)
        for kind in ("standard", "doubly")
    )
    _same_mean(standard, doubly)
    assert bool((doubly.var(0) < standard.var(0) / 3).all())
    # far from zero, so the test of the means says something
    assert bool((standard.mean(0).abs() > 20 * (standard.var(0) / len(standard)).sqrt()).all())


@pytest.mark.parametrize("gradient", ["standard", "doubly"])
def test_parameters_of_the_target_get_the_gradient_of_the_bound(gradient: Any) -> None:
    q = normal()
    shift = torch.zeros((), dtype=torch.float64, requires_grad=True)
    x, log_q = q.sample_and_log_prob(24, seed=0)
    log_w = (target(x - shift) - log_q).unflatten(0, (4, 6))
    (true,) = torch.autograd.grad(-log_w.logsumexp(0).mean(), shift)
    loss = iwae(q, lambda x: target(x - shift), 6, 4, gradient=gradient, seed=0)
    (found,) = torch.autograd.grad(loss, shift)
    torch.testing.assert_close(found, true)


@pytest.mark.parametrize("gradient", ["standard", "doubly"])
def test_the_bound_rises_with_particles_to_log_z(gradient: Any) -> None:
    q = normal()
    with torch.no_grad():
        bounds = [
            -float(iwae(q, target, 20_000, k, gradient=gradient, seed=0)) for k in (1, 4, 16, 64)
        ]
        elbo = -float(reverse_kl(q, target, 20_000, seed=0))
    assert bounds[0] == pytest.approx(elbo, abs=1e-12)
    # gaps of order 1 / K, well above the noise of 1e-3
    gaps = [LOG_Z - bound for bound in bounds]
    assert gaps[0] > 2 * gaps[1] > 4 * gaps[2] > 0
    assert abs(gaps[3]) < gaps[2] / 2


def test_alpha_of_zero_is_sticking() -> None:
    q = perturbed(diffeo.RealNVP(2, layers=2, hidden=(8,), seed=0)).double()
    one = gradient_of(alpha_divergence(q, _quartic, 30, alpha=0.0, seed=0), q)
    other = gradient_of(reverse_kl(q, _quartic, 30, gradient="sticking", seed=0), q)
    torch.testing.assert_close(one, other)


def _flow(kind: str) -> diffeo.Flow:
    small: dict[str, Any] = {"layers": 3, "seed": 0}
    make: dict[str, Any] = {
        "coupling": lambda: diffeo.RealNVP(3, hidden=(8,), **small),
        "reversible": lambda: diffeo.RealNVP(3, hidden=(8,), reversible=True, **small),
        "spline": lambda: diffeo.NSF(2, hidden=(8,), **small),
        "planar": lambda: diffeo.PlanarFlow(3, **small),
        "iaf": lambda: diffeo.IAF(3, hidden=(8,), **small),
        "learned base": lambda: diffeo.RealNVP(
            3, hidden=(8,), base=MultivariateNormal(3, learned=True), **small
        ),
        "student base": lambda: diffeo.RealNVP(
            2, hidden=(8,), base=diffeo.bases.StudentT(2, learned=True), **small
        ),
        "bounded": lambda: diffeo.RealNVP(
            2, hidden=(8,), supports=[diffeo.positive(), diffeo.interval(0, 1)], **small
        ),
        "simplex": lambda: diffeo.RealNVP(
            4, hidden=(8,), supports=[diffeo.simplex(3), diffeo.real()], **small
        ),
        "correlation": lambda: diffeo.RealNVP(
            9, hidden=(8,), supports=[diffeo.corr_cholesky(3)], **small
        ),
    }
    return perturbed(make[kind]()).double()


KINDS = [
    "coupling",
    "reversible",
    "spline",
    "planar",
    "iaf",
    "learned base",
    "student base",
    "bounded",
    "simplex",
    "correlation",
]


@pytest.mark.parametrize("kind", KINDS)
def test_path_is_sticking_without_the_inverse(kind: str) -> None:
    flow = _flow(kind)
    found = []
    for gradient in ("sticking", "path"):
        loss = reverse_kl(flow, _quartic, 20, gradient=gradient, seed=0)
        found.append((loss.detach(), gradient_of(loss, flow)))
    (value, sticking), (other, path) = found
    torch.testing.assert_close(other, value, atol=1e-8, rtol=1e-8)
    torch.testing.assert_close(path, sticking, atol=1e-8, rtol=1e-8)
    assert float(path.abs().max()) > 1e-3


def test_path_is_sticking_with_an_embedded_context_and_a_predicted_base() -> None:
    flow = diffeo.Flow(
        DiagonalNormal(2, context=2, hidden=(8,)),
        diffeo.RealNVP(2, context=2, layers=2, hidden=(8,), seed=0).transform,
        torch.nn.Linear(1, 2),
        context=1,
    )
    flow = perturbed(flow).double()
    context = torch.tensor([[0.3], [-0.6]], dtype=torch.float64, requires_grad=True)
    leaves = [context, *flow.parameters()]

    def p(x: Tensor) -> Tensor:
        return -(x - 0.3).pow(4).sum(-1)

    sticking, path = (
        torch.autograd.grad(
            reverse_kl(flow, p, 20, gradient=kind, context=context, seed=0),
            leaves,
            materialize_grads=True,
        )
        for kind in ("sticking", "path")
    )
    torch.testing.assert_close(path, sticking, atol=1e-8, rtol=1e-8)
    assert bool((path[0] != 0).all())


def test_path_is_sticking_for_events_that_are_matrices() -> None:
    flow = diffeo.Flow(
        diffeo.bases.StandardNormal((2, 3)),
        diffeo.Sequential(Elementwise((2, 3), Affine()), Elementwise((2, 3), SinhArcsinh())),
    )
    flow = perturbed(flow).double()
    sticking, path = (
        gradient_of(reverse_kl(flow, _quartic, 20, gradient=kind, seed=0), flow)
        for kind in ("sticking", "path")
    )
    torch.testing.assert_close(path, sticking, atol=1e-8, rtol=1e-8)


@pytest.mark.parametrize("gradient", ["standard", "sticking", "path"])
def test_evaluation_without_gradients_gives_the_same_number(gradient: Any) -> None:
    flow = _flow("coupling")
    loss = reverse_kl(flow, _quartic, 20, gradient=gradient, seed=0)
    with torch.no_grad():
        other = reverse_kl(flow, _quartic, 20, gradient=gradient, seed=0)
    assert not other.requires_grad
    torch.testing.assert_close(other, loss.detach())


def test_parameters_are_left_as_they_were() -> None:
    """Stopping their gradient for one evaluation neither freezes nor fills them."""
    flow = _flow("learned base")
    before = dict(flow.named_parameters())
    for gradient in ("sticking", "path"):
        reverse_kl(flow, _quartic, 5, gradient=gradient, seed=0)
    assert all(p is before[name] for name, p in flow.named_parameters())
    assert all(p.requires_grad and p.grad is None for p in flow.parameters())


def test_the_schedule_of_the_paper() -> None:
    assert [annealing(t) for t in (0, 100, 9_900, 50_000)] == pytest.approx([0.01, 0.02, 1.0, 1.0])
    assert annealing(5, steps=10, start=0.1) == pytest.approx(0.6)


def test_standard_reverse_kl_compiles_into_one_graph() -> None:
    flow = diffeo.RealNVP(2, layers=2, hidden=(8,), seed=0).double()
    compiled = torch.compile(reverse_kl, fullgraph=True, backend="eager")
    torch.manual_seed(5)
    found = compiled(flow, _quartic, 16)
    torch.manual_seed(5)
    torch.testing.assert_close(found, reverse_kl(flow, _quartic, 16))
