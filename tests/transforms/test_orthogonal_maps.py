"""Householder products, Rotation, Cayley: the matrices they are, and what zero and huge do."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from diffeo.audit import perturbed
from diffeo.errors import ShapeError
from diffeo.transforms import QR, SVD, Cayley, Householder, Rotation
from diffeo.transforms.orthogonal import householder_matrix, reflect


def _product(vectors: Tensor) -> np.ndarray:
    """The reflections one after another, the first vector first."""
    matrix = np.eye(vectors.shape[-1])
    for v in vectors.double().numpy():
        matrix = (np.eye(len(v)) - 2 * np.outer(v, v) / (v @ v)) @ matrix
    return matrix


@pytest.mark.parametrize(("count", "features"), [(1, 1), (2, 1), (1, 4), (3, 4), (9, 4)])
def test_reflections_are_applied_in_order(count: int, features: int) -> None:
    vectors = torch.randn(count, features, dtype=torch.float64)
    x = torch.randn(7, features, dtype=torch.float64)
    expected = torch.from_numpy(_product(vectors))
    torch.testing.assert_close(reflect(x, vectors), x @ expected.T)
    torch.testing.assert_close(reflect(x, vectors, reverse=True), x @ expected)
    matrix = householder_matrix(vectors)
    torch.testing.assert_close(matrix, expected)
    assert float(torch.linalg.det(matrix)) == pytest.approx((-1) ** count)


def test_vectors_of_their_own_for_each_point() -> None:
    vectors = torch.randn(5, 1, 3, 4, dtype=torch.float64)
    x = torch.randn(2, 4, dtype=torch.float64)
    y = reflect(x, vectors)
    assert y.shape == (5, 2, 4)
    torch.testing.assert_close(y[3, 1], reflect(x[1], vectors[3, 0]))
    torch.testing.assert_close(reflect(y, vectors, reverse=True), x.expand(5, 2, 4))
    torch.testing.assert_close(householder_matrix(vectors)[3, 0] @ x[1], y[3, 1])


@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e30])
def test_any_vector_reflects(scale: float) -> None:
    """Squares of 1e-30 and 1e30 leave the range of float32, and a zero has no direction."""
    direction = torch.tensor([[3.0, 4.0]])
    vectors = (direction * scale).requires_grad_()
    x = torch.tensor([1.0, 2.0])
    y = reflect(x, vectors)
    expected = reflect(x, direction if scale else torch.tensor([[1.0, 0.0]]))
    torch.testing.assert_close(y, expected)
    y.sum().backward()
    assert vectors.grad is not None
    assert bool(vectors.grad.isfinite().all())


def test_gradients_of_the_vectors_match_finite_differences() -> None:
    vectors = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    x = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(reflect, (x, vectors))


def test_householder_starts_at_the_identity_and_can_leave_it() -> None:
    layer = Householder(4)
    assert layer.vectors.shape == (4, 4)
    torch.testing.assert_close(layer.matrix(), torch.eye(4), atol=1e-6, rtol=0)
    turn = torch.tensor([[math.cos(1), -math.sin(1)], [math.sin(1), math.cos(1)]])
    target = torch.block_diag(turn, turn)
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        loss = (layer.matrix() - target).square().sum()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 1e-4


def test_odd_reflections_turn_the_orientation() -> None:
    assert float(torch.linalg.det(Householder(3, 3).matrix().detach())) == pytest.approx(-1)
    assert float(torch.linalg.det(Householder(3).matrix().detach())) == pytest.approx(1)


def test_a_plane_turns_by_the_angle_of_its_generator() -> None:
    angle = 0.3
    for layer, entry in (
        (Rotation(2), 2 * math.pi * math.atanh(angle / (2 * math.pi))),
        (Cayley(2), 100 * math.atanh(math.tan(-angle / 2) / 100)),
    ):
        with torch.no_grad():
            layer.weight[1, 0] = entry
        expected = torch.tensor([math.cos(angle), math.sin(angle)])
        torch.testing.assert_close(layer(torch.tensor([1.0, 0.0]))[0].detach(), expected)


def test_rotation_and_cayley_follow_their_formulas() -> None:
    rotation, cayley = perturbed(Rotation(5)).double(), perturbed(Cayley(5)).double()
    for layer, bound in ((rotation, 2 * math.pi), (cayley, 100.0)):
        lower = torch.tril(bound * torch.tanh(layer.weight / bound), -1).detach().numpy()
        a = lower - lower.T
        if layer is rotation:
            values, vectors = np.linalg.eig(a)
            expected = (vectors * np.exp(values) @ np.linalg.inv(vectors)).real
        else:
            expected = (np.eye(5) - a) @ np.linalg.inv(np.eye(5) + a)
        torch.testing.assert_close(layer.matrix().detach(), torch.from_numpy(expected))


@pytest.mark.parametrize("make", [Rotation, Cayley, Householder])
@pytest.mark.parametrize("scale", [0.0, 1.0, 1e30])
def test_float32_stays_orthogonal(make: Callable[[int], Rotation], scale: float) -> None:
    layer = make(8)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn_like(parameter) * scale)
    matrix = layer.matrix().detach()
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(8), atol=3e-5, rtol=0)


@pytest.mark.parametrize("make", [Householder, Rotation, Cayley, QR, SVD])
def test_autocast_keeps_full_precision(make: Callable[[int], Householder]) -> None:
    layer, x = perturbed(make(8)), torch.randn(16, 8)
    plain = layer(x)[0]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y, _ = layer(x)
        again, _ = layer.inverse(y)
    assert torch.equal(y, plain)
    torch.testing.assert_close(again, x, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("make", [Householder, QR])
def test_export_substitutes_where_there_is_no_triangular_solve(
    make: Callable[[int], Householder],
) -> None:
    layer, x = perturbed(make(3)), torch.randn(5, 3)
    program = torch.export.export(layer, (x,), dynamic_shapes=({0: torch.export.Dim("rows")},))
    assert "triangular" not in program.graph_module.code
    found = program.module()(torch.cat([x, x]))
    for a, b in zip(found, layer(torch.cat([x, x])), strict=True):
        torch.testing.assert_close(a, b)


def test_a_product_needs_reflections() -> None:
    for make in (Householder, QR, SVD):
        with pytest.raises(ShapeError, match=f"{make.__name__}: reflections must be at least 1"):
            make(3, 0)
        with pytest.raises(ShapeError, match=f"{make.__name__}: features must be a whole number"):
            make(0)
