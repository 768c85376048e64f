"""A hierarchical regression with a scale, an interval and a simplex, in torch."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Dirichlet, HalfNormal, Normal

import diffeo
from diffeo.inference import CallableTarget, Target

ROWS = np.random.default_rng(0)
X = ROWS.normal(size=(12, 2))
GROUP = np.arange(12) % 3
Y = X @ [0.5, -1.0] + 0.3 * GROUP + ROWS.normal(size=12)
CONCENTRATION = np.array([2.0, 3.0, 4.0])

PARAMS = {
    "tau": diffeo.positive(),
    "rho": diffeo.interval(-1.0, 2.0),
    "w": diffeo.simplex(3),
    "b": (diffeo.real(), (2,)),
}


def _log_prob(v: dict[str, Tensor]) -> Tensor:
    tau = v["tau"]
    mean = v["b"] @ torch.from_numpy(X).T + 2 * v["w"][:, GROUP] + v["rho"].unsqueeze(-1)
    return (
        HalfNormal(1.0).log_prob(tau)
        + Dirichlet(torch.from_numpy(CONCENTRATION)).log_prob(v["w"])
        + Normal(0.0, tau.unsqueeze(-1)).log_prob(v["b"]).sum(-1)
        + Normal(mean, 0.7).log_prob(torch.from_numpy(Y)).sum(-1)
    )


def reference() -> CallableTarget:
    return CallableTarget(_log_prob, PARAMS, dtype=torch.float64)


def points(n: int = 20) -> Tensor:
    return torch.randn(n, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def assert_same_density(target: Target) -> None:
    """The same values at the same reals; densities up to one constant, and their gradients."""
    ours, z = reference(), points()
    assert target.dim == ours.dim
    assert target.dtype == torch.float64
    assert {name: target.shapes[name] for name in ours.shapes} == ours.shapes
    value, gradient = target.value_and_gradient(z)
    expected, expected_gradient = ours.value_and_gradient(z)
    differences = value - expected
    # the densities themselves are far from constant
    assert float(expected.std()) > 1
    torch.testing.assert_close(differences, differences[:1].expand(len(z)))
    torch.testing.assert_close(gradient, expected_gradient)
    # without a gradient as with one
    torch.testing.assert_close(target.log_prob(z), value)
    assert (target.gradients, target.evaluations) == (len(z), len(z))
    values, named = ours.constrain(z), target.constrain(z)
    for name in values:
        torch.testing.assert_close(named[name], values[name])


def assert_deterministic_value(target: Target) -> None:
    """``twice`` is twice ``b``, and batches may have several axes, or none."""
    z = points(6)
    named = target.constrain(z.reshape(2, 3, 6))
    assert list(named) == list(target.shapes) == ["tau", "rho", "w", "b", "twice"]
    for name, shape in target.shapes.items():
        assert named[name].shape == (2, 3, *shape)
    torch.testing.assert_close(named["twice"], 2 * named["b"])
    torch.testing.assert_close(target.constrain(z[0])["w"], named["w"][0, 0])
