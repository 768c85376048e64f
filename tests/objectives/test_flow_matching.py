"""Flow matching: paths against their closed forms, couplings, the known minimum, errors."""

from __future__ import annotations

import math
import sys
from typing import Any

import pytest
import torch
from torch import Tensor

from diffeo.errors import MissingExtraError, ShapeError
from diffeo.objectives import flow_matching, interpolate


def _draws(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_paths_are_their_closed_forms() -> None:
    x0, x1 = torch.tensor([1.0, -2.0]), torch.tensor([5.0, 4.0])
    at = torch.tensor(0.25)
    x, velocity = interpolate(x0, x1, at)
    assert torch.allclose(x, torch.tensor([2.0, -0.5]))
    assert torch.allclose(velocity, torch.tensor([4.0, 6.0]))
    x, velocity = interpolate(x0, x1, torch.tensor(1 / 3), path="trigonometric")
    cos, sin = math.sqrt(3) / 2, 0.5
    assert torch.allclose(x, cos * x0 + sin * x1)
    assert torch.allclose(velocity, math.pi / 2 * (cos * x1 - sin * x0))
    noisy, _ = interpolate(x0, x1, at, noise=0.3, z=torch.ones(2))
    assert torch.allclose(noisy, torch.tensor([2.15, -0.35]))  # sin(pi / 4)^2 = 1 / 2


@pytest.mark.parametrize("path", ["linear", "trigonometric"])
@pytest.mark.parametrize("noise", [0.0, 0.7])
def test_velocities_are_derivatives_and_paths_have_their_ends(path: Any, noise: float) -> None:
    x0, x1, z = (_draws(50, 3, seed=seed) for seed in range(3))
    t = torch.linspace(0, 1, 50, dtype=torch.float64)

    def point(t: Tensor) -> Tensor:
        return interpolate(x0, x1, t, path=path, noise=noise, z=z if noise else None)[0]

    time = t.clone().requires_grad_()
    columns = [
        torch.autograd.grad(c.sum(), time, retain_graph=True)[0] for c in point(time).unbind(1)
    ]
    slope = torch.stack(columns, dim=1)
    _, velocity = interpolate(x0, x1, t, path=path, noise=noise, z=z if noise else None)
    assert torch.allclose(velocity, slope)
    assert torch.allclose(point(0 * t), x0)
    assert torch.allclose(point(0 * t + 1), x1)


def test_the_velocity_of_two_normals_has_its_known_loss() -> None:
    """x0 from N(0, 1), x1 from N(m, s^2): of E[u | x_t] what is left is Var[u | x_t]."""
    m, s, rows = 2.0, 0.5, 200_000
    x0, x1 = _draws(rows, 1), m + s * _draws(rows, 1, seed=1)

    def velocity(x: Tensor, t: Tensor, context: Tensor | None) -> Tensor:
        t = t[:, None]
        variance = (1 - t) ** 2 + (t * s) ** 2
        return m + (t * s**2 - (1 - t)) / variance * (x - t * m)

    t = (torch.arange(10_000, dtype=torch.float64) + 0.5) / 10_000
    left = 1 + s**2 - (t * s**2 - (1 - t)) ** 2 / ((1 - t) ** 2 + (t * s) ** 2)
    loss = float(flow_matching(velocity, x0, x1, seed=0))
    # errors are normal, so that of their squares is sqrt(2) times their mean
    assert loss == pytest.approx(
        float(left.mean()), abs=5 * math.sqrt(2 / rows) * float(left.max())
    )
    worse = float(flow_matching(lambda *given: 0.1 + velocity(*given), x0, x1, seed=0))
    assert worse > loss


def test_optimal_pairs_are_a_permutation_of_least_cost() -> None:
    x0 = _draws(700, 2)
    order = torch.randperm(700, generator=torch.Generator().manual_seed(1))
    # in either part that is paired together, each shifted point belongs to where it came from
    order = torch.cat([order[order < 512], order[order >= 512]])
    x1 = x0[order] + 100.0
    seen = []

    def record(x: Tensor, t: Tensor, context: Tensor | None) -> Tensor:
        seen.append((x, t))
        return torch.full_like(x, 100.0)

    assert float(flow_matching(record, x0, x1, coupling="optimal", seed=0)) < 1e-20
    (x, t), *_ = seen
    assert torch.allclose(x, x0[order] + 100 * t[:, None])
    assert float(flow_matching(record, x0, x1, seed=0)) > 1
    # times are stratified
    assert torch.equal((700 * t).floor().sort().values, torch.arange(700.0, dtype=t.dtype))


def test_weights_and_seeds() -> None:
    x0, x1 = _draws(10, 2), _draws(10, 2, seed=1)

    def still(x: Tensor, t: Tensor, context: Tensor | None) -> Tensor:
        return 0 * x

    weight = torch.arange(10, dtype=torch.float64)
    expected = (weight * (x1 - x0).square().sum(-1)).mean()
    assert torch.allclose(flow_matching(still, x0, x1, weight=weight), expected)
    first, same, other = (
        flow_matching(still, x0, x1, path="trigonometric", noise=0.5, seed=seed)
        for seed in (0, 0, 1)
    )
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"path": "cubic"}, "path must be one of"),
        ({"coupling": "best"}, "coupling must be one of"),
        ({"noise": -1.0}, "noise must be a finite number >= 0"),
        ({"coupling": "optimal", "weight": torch.ones(5)}, "must be 'independent'"),
    ],
)
def test_errors(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        flow_matching(lambda x, t, c: x, torch.zeros(5, 2), torch.zeros(5, 2), **options)


def test_pairs_must_fit_and_scipy_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ShapeError, match=r"shapes \(5, 2\) and \(4, 2\)"):
        flow_matching(lambda x, t, c: x, torch.zeros(5, 2), torch.zeros(4, 2))
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    with pytest.raises(MissingExtraError, match=r"diffeo\[continuous\]"):
        flow_matching(lambda x, t, c: x, torch.ones(2, 1), torch.zeros(2, 1), coupling="optimal")
