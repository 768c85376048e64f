"""Sylvester layers: the paper's matrices in numpy, each kind of Q, constraints, errors."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from diffeo.audit import perturbed
from diffeo.errors import ShapeError
from diffeo.transforms import Planar, Sylvester
from diffeo.transforms.orthogonal import householder_matrix

KINDS = [
    {"kind": "orthogonal", "rank": 2},
    {"kind": "orthogonal"},
    {"kind": "householder", "reflections": 3},
    {"kind": "triangular"},
]


def _basis(layer: Sylvester, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """Q (D, M)."""
    features = layer.in_shape[0]
    if layer.kind == "triangular":
        return torch.eye(features, dtype=dtype)
    vectors = layer._parts(torch.zeros(features, dtype=dtype), None).vectors
    return householder_matrix(vectors)[:, : layer.rank]


@pytest.mark.parametrize("options", KINDS)
def test_it_is_the_papers_formula(options: dict) -> None:
    layer = perturbed(Sylvester(4, **options)).double()
    x = torch.randn(4, dtype=torch.float64)
    parts = layer._parts(x, None)
    y, ladj = layer(x)
    q, outer, inner, shift, z = (
        t.detach().numpy() for t in (_basis(layer), parts.outer, parts.inner, parts.shift, x)
    )
    assert np.array_equal(outer, np.triu(outer))
    assert np.array_equal(inner, np.triu(inner))
    at = inner @ q.T @ z + shift
    assert np.allclose(y.detach(), z + q @ outer @ np.tanh(at), atol=1e-13)
    slope = 1 - np.tanh(at) ** 2
    identity = np.sum(np.log(1 + slope * np.diag(outer) * np.diag(inner)))
    assert float(ladj.detach()) == pytest.approx(identity, abs=1e-12)
    # Sylvester's identity itself, with the D x D determinant
    jacobian = np.eye(4) + q @ outer @ np.diag(slope) @ inner @ q.T
    assert float(ladj.detach()) == pytest.approx(np.linalg.slogdet(jacobian).logabsdet, abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("options", KINDS[:3])
def test_the_columns_are_orthonormal_to_rounding(options: dict, dtype: torch.dtype) -> None:
    layer = perturbed(Sylvester(4, **options)).to(dtype)
    layer.params.data *= 100
    q = _basis(layer, dtype)
    gram = q.mT @ q - torch.eye(layer.rank, dtype=dtype)
    assert float(gram.detach().abs().max()) <= 10 * torch.finfo(dtype).eps


def test_any_frame_of_columns_is_reached_up_to_signs() -> None:
    """The reflections of a QR factorisation, as the layer's vectors."""
    target, _ = torch.linalg.qr(torch.randn(5, 2, dtype=torch.float64))
    first = target[:, 0].clone()
    first[0] += first[0].sign()
    rest = target[1:, 1] - first[1:] * (first @ target[:, 1]) * 2 / (first @ first)
    second = torch.cat([torch.zeros(1, dtype=torch.float64), rest])
    second[1] += second[1].sign()
    # H_n ... H_1 of the layer: the last vector acts last
    q = householder_matrix(torch.stack([second, first]))[:, :2]
    assert torch.allclose((q.mT @ target).abs(), torch.eye(2, dtype=torch.float64), atol=1e-12)


def test_rank_one_is_a_planar_layer() -> None:
    layer = perturbed(Sylvester(3, rank=1)).double()
    x = torch.randn(20, 3, dtype=torch.float64)
    parts = layer._parts(x, None)
    direction = _basis(layer)[:, 0]
    u = parts.outer[0, 0] * direction
    w = parts.inner[0, 0] * direction
    y, ladj = layer(x)
    bend = torch.tanh(x @ w + parts.shift)
    assert torch.allclose(y, x + bend[:, None] * u)
    planar = Planar(3).double()
    # the raw u whose slope along w is the layer's: the free part is asinh's inverse, along w
    along = _raw_along(float(parts.log_top.detach())) / float((w @ w).detach())
    planar.params.data = torch.cat([along * w, w, parts.shift]).detach()
    expected, expected_ladj = planar(x)
    assert torch.allclose(y, expected)
    assert torch.allclose(ladj, expected_ladj)


def _raw_along(log_top: float) -> float:
    bound = math.log(1e3)
    return math.sinh(bound * math.atanh(log_top / bound))


@pytest.mark.parametrize("options", KINDS)
def test_the_inverse_is_exact_with_large_parameters(options: dict) -> None:
    layer = perturbed(Sylvester(4, **options)).double()
    layer.params.data *= 3
    x = torch.randn(200, 4, dtype=torch.float64) * 3
    y, ladj = layer(x)
    back, inverse_ladj = layer.inverse(y)
    assert float((back - x).detach().abs().max()) < 1e-7
    assert float((ladj + inverse_ladj).detach().abs().max()) < 1e-7


def test_the_rest_of_the_space_is_left_alone() -> None:
    layer = perturbed(Sylvester(5, rank=2)).double()
    x = torch.randn(7, 5, dtype=torch.float64)
    moved = layer(x)[0] - x
    q = _basis(layer)
    assert torch.allclose(moved @ q @ q.mT, moved)
    assert float(moved.detach().abs().max()) > 0.1


def test_slopes_are_bounded_for_any_raw_numbers() -> None:
    layer = Sylvester(3, "triangular").double()
    layer.params.data *= 1e9
    layer.params.data[9:12] = torch.tensor([-1e9, 0.0, 1e9])
    parts = layer._parts(torch.zeros(3, dtype=torch.float64), None)
    product = 1 + parts.outer.diagonal() * parts.inner.diagonal()
    assert bool(((product >= 0.999e-3) & (product <= 1.001e3)).all())


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"kind must be one of .* got 'planar'"):
        Sylvester(3, "planar")
    with pytest.raises(ValueError, match="only the kind 'orthogonal' has a rank"):
        Sylvester(3, "triangular", rank=2)
    with pytest.raises(ValueError, match="only the kind 'householder' has a choice"):
        Sylvester(3, reflections=2)
    with pytest.raises(ShapeError, match="rank must lie between 1 and 3, got 4"):
        Sylvester(3, rank=4)
    with pytest.raises(ShapeError, match="reflections must be at least 1, got 0"):
        Sylvester(3, "householder", reflections=0)
