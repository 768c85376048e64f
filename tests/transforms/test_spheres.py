"""Transforms of unit vectors: areas, poles, inverses and the gradients of numerical ones."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

import diffeo
from diffeo import transforms
from diffeo.errors import ShapeError
from diffeo.supports import sphere

F64 = torch.float64


def _points(rows: int, dim: int = 3) -> torch.Tensor:
    return F.normalize(torch.randn(rows, dim, dtype=F64), dim=-1)


@pytest.mark.parametrize("dim", [3, 5])
def test_coordinates_around_a_point_measure_the_surface(dim):
    at, support = _points(20, dim), sphere(dim)
    steps = 1e-4 * torch.randn(20, dim - 1, dtype=F64)
    moved = support.embed(steps, at)
    torch.testing.assert_close(moved.norm(dim=1), torch.ones(20, dtype=F64))
    torch.testing.assert_close((moved - at).norm(dim=1), steps.norm(dim=1), rtol=1e-6, atol=0)
    torch.testing.assert_close(support.chart(moved, at), steps, rtol=1e-6, atol=0)


def test_the_area_of_the_sphere_is_found_from_its_heights_and_angle():
    layer = transforms.FromCylinder(3).double()
    x = torch.linspace(-20, 20, 2001, dtype=F64)
    _, ladj = layer(torch.stack([x, torch.ones_like(x)], dim=-1))
    area = float(torch.trapezoid(ladj.exp(), x)) * 2 * math.pi
    assert area == pytest.approx(4 * math.pi, rel=1e-9)


def test_the_heights_of_uniform_points_have_variance_one():
    layer = transforms.FromCylinder(5)
    z, _ = layer.inverse(diffeo.bases.SphereUniform(5).sample(20_000, seed=0))
    torch.testing.assert_close(z.var(0)[:3], torch.ones(3), rtol=0.05, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_poles_are_points_like_others(dtype):
    angle = diffeo.univariates.CircularRationalQuadraticSpline(4)
    turn = transforms.Coupling(3, angle, mask=[0, 0, 1], angles=[0, 0, 1], hidden=(8,))
    layer = diffeo.audit.perturbed(transforms.OnCylinder(4, turn)).to(dtype)
    poles = torch.cat([torch.eye(4), -torch.eye(4)]).to(dtype).requires_grad_()
    for act in (layer, layer.inverse):
        y, ladj = act(poles)
        assert bool(sphere(4).contains(y).all())
        assert bool(ladj.isfinite().all())
        (grad,) = torch.autograd.grad(y.sum() + ladj.sum(), poles)
        assert bool(grad.isfinite().all())
    # the last axis stays, as no height moves
    torch.testing.assert_close(layer(poles)[0][3], poles[3])


def test_moebius_pushes_towards_the_other_side_by_the_known_factor():
    layer = transforms.Moebius(3).double()
    layer.params.data = torch.tensor([0.0, 0.0, 0.75], dtype=F64)
    w = 0.999 * 0.6
    pole = torch.tensor([0.0, 0.0, 1.0], dtype=F64)
    y, ladj = layer(pole)
    torch.testing.assert_close(y, pole)
    assert float(ladj.detach()) == pytest.approx(2 * math.log((1 + w) / (1 - w)))


def _strong(dim: int = 3) -> transforms.ExponentialMap:
    """Three peaks of almost all the weight there may be, one of them steep."""
    layer = transforms.ExponentialMap(dim, 3).double()
    layer.params.data[:, dim] = torch.tensor([4.0, 4.0, 4.0])
    layer.params.data[:, dim + 1] = torch.tensor([0.0, -2.0, 3.0])
    return layer


@pytest.mark.parametrize("dim", [2, 3, 6])
def test_the_exponential_map_returns_from_far(dim):
    layer, x = _strong(dim), _points(200, dim)
    with torch.no_grad():
        y, ladj = layer(x)
        again, back = layer.inverse(y)
        residual = float(layer.residual(y).max())
    # moved far, by volumes that change much
    assert float((y - x).norm(dim=1).max()) > 0.1
    assert float(ladj.max() - ladj.min()) > 0.5
    torch.testing.assert_close(again, x, rtol=0, atol=1e-12)
    torch.testing.assert_close(back, -ladj, rtol=0, atol=1e-10)
    assert residual < 1e-14


def test_gradients_of_the_numerical_inverse_are_those_of_differences():
    layer, y = _strong(), _points(4)
    weight = torch.randn(4, 3, dtype=F64)

    turned = transforms.Inverse(layer)
    x, ladj = turned(y)
    ((x * weight).sum() + ladj.sum()).backward()
    direction = torch.randn_like(layer.params)
    start, sides = layer.params.detach().clone(), []
    for step in (1e-6, -1e-6):
        layer.params.data = start + step * direction
        with torch.no_grad():
            x, ladj = turned(y)
        sides.append(float((x * weight).sum() + ladj.sum()))
    slope = float((layer.params.grad * direction).sum())
    assert slope == pytest.approx((sides[0] - sides[1]) / 2e-6, rel=1e-5)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: sphere(1), "Sphere: its size must be a whole number >= 2"),
        (lambda: transforms.FromCylinder(1), "Sphere: its size"),
        (
            lambda: transforms.OnCylinder(3, transforms.Reverse(3)),
            r"has 2 heights and angle, but Reverse takes events of shape \(3,\)",
        ),
    ],
)
def test_errors_say_what_was_given(build, message):
    with pytest.raises(ShapeError, match=message):
        build()


def test_no_peaks_are_refused():
    with pytest.raises(ValueError, match="ExponentialMap: peaks must be a whole number >= 1"):
        transforms.ExponentialMap(3, 0)
