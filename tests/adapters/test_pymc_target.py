from __future__ import annotations

import functools
import warnings

import pytest
import torch
from adapted_regression import CONCENTRATION, GROUP, X, Y, points, reference

from diffeo.adapters.pymc import PyMCTarget
from diffeo.audit.calculus import autograd_ladj
from diffeo.errors import TargetError
from diffeo.transforms import StickBreaking

with warnings.catch_warnings():
    # ArviZ, which PyMC imports, announces its next version
    warnings.filterwarnings("ignore", r"\s*ArviZ is undergoing", FutureWarning)
    pm = pytest.importorskip("pymc", reason="needs the extra: pip install 'diffeo[pymc]'")


@functools.cache
def target() -> PyMCTarget:
    with pm.Model() as model:
        tau = pm.HalfNormal("tau", 1.0)
        rho = pm.Uniform("rho", -1.0, 2.0)
        w = pm.Dirichlet("w", CONCENTRATION)
        b = pm.Normal("b", 0.0, tau, shape=2)
        pm.Deterministic("twice", 2 * b)
        pm.Deterministic("three", pm.math.constant(3.0))
        pm.Normal("y", X @ b + 2 * w[GROUP] + rho, 0.7, observed=Y)
    return PyMCTarget(model)


def shares(free: torch.Tensor) -> torch.Tensor:
    """The first shares of PyMC's simplex: logits that sum to 0."""
    return torch.cat([free, -free.sum(-1, keepdim=True)], -1).softmax(-1)[..., :-1]


def from_ours(z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The point of PyMC for ours, and how far the log-determinants of the two maps differ."""
    w, ladj = StickBreaking(3)(z[:, 2:4])
    log_w = w.log()
    free = (log_w - log_w.mean(-1, keepdim=True))[:, :-1]
    # softmax with its last logit given: |dw / dfree| = K w_1 ... w_K
    return torch.cat([z[:, :2], free, z[:, 4:]], -1), ladj - (
        log_w.sum(-1) + torch.tensor(3.0).log()
    )


def test_the_simplex_of_this_test_is_that_of_pymc():
    z = points()
    free = z[:, 2:4]
    torch.testing.assert_close(target().constrain(z)["w"][:, :-1], shares(free))
    expected = autograd_ladj(shares, free)
    log_w = target().constrain(z)["w"].log()
    torch.testing.assert_close(log_w.sum(-1) + torch.tensor(3.0).log(), expected)


def test_it_is_the_density_of_torch():
    ours, z = reference(), points().requires_grad_()
    theirs, correction = from_ours(z)
    value = target().log_prob(theirs) + correction
    (gradient,) = torch.autograd.grad(value.sum(), z)
    expected, expected_gradient = ours.value_and_gradient(z)
    differences = value - expected
    assert float(expected.std()) > 1
    torch.testing.assert_close(differences, differences[:1].expand(len(z)))
    torch.testing.assert_close(gradient, expected_gradient)
    torch.testing.assert_close(target().log_prob(theirs.detach()) + correction, value)
    values, named = ours.constrain(z), target().constrain(theirs)
    for name in values:
        torch.testing.assert_close(named[name], values[name].detach())


def test_named_values_have_their_batch():
    z = points(6)
    named = target().constrain(z.reshape(2, 3, 6))
    assert list(named) == ["tau", "rho", "w", "b", "twice", "three"]
    for name, shape in target().shapes.items():
        assert named[name].shape == (2, 3, *shape)
    torch.testing.assert_close(named["twice"], 2 * named["b"])
    assert bool((named["three"] == 3).all())


def test_what_is_no_posterior_is_refused():
    with pm.Model() as discrete:
        k = pm.Poisson("k", 2.0)
        pm.Normal("y", k, 1.0, observed=1.0)
    with pytest.raises(TargetError, match="PyMC model has discrete latent variables: k;"):
        PyMCTarget(discrete)
    with pm.Model() as empty:
        pm.Normal("y", 0.0, 1.0, observed=1.0)
    with pytest.raises(TargetError, match="no free variables"):
        PyMCTarget(empty)
    with pm.Model() as random:
        mu = pm.Normal("mu")
        rows = pm.Minibatch(Y, batch_size=4)
        pm.Normal("y", mu, 1.0, observed=rows, total_size=len(Y))
    with pytest.raises(TargetError, match=r"itself random, as with pm\.Minibatch"):
        PyMCTarget(random)
    with pytest.raises(TargetError, match=r"takes a .*Model, got 3"):
        PyMCTarget(3)
