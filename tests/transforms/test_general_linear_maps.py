"""MatrixExponential, Triangular, QR, SVD, LowRankPlusDiagonal against numpy's linear algebra."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

import diffeo
from diffeo.audit import perturbed
from diffeo.bases import MultivariateNormal, StandardNormal
from diffeo.errors import ShapeError
from diffeo.transforms import (
    QR,
    SVD,
    LowRankPlusDiagonal,
    MatrixExponential,
    Transform,
    Triangular,
)

BOUND = math.log(1e3)
LAYERS = [
    MatrixExponential,
    Triangular,
    QR,
    SVD,
    lambda d: LowRankPlusDiagonal(d, 2),
]


def _double(make: Callable[[int], Transform], features: int = 5) -> Transform:
    return perturbed(make(features)).double()


def _matrix(layer: Transform) -> np.ndarray:
    """The matrix of ``forward``, column by column."""
    size = layer.in_shape[0]
    origin = layer(torch.zeros(size, dtype=torch.float64))[0]
    columns = layer(torch.eye(size, dtype=torch.float64))[0] - origin
    return columns.T.detach().numpy()


def _bounded(raw: Tensor) -> np.ndarray:
    return np.exp(BOUND * np.tanh(raw.detach().numpy() / BOUND))


@pytest.mark.parametrize("make", LAYERS)
def test_values_of_matrix_and_shift(make: Callable[[int], Transform]) -> None:
    layer = _double(make)
    matrix, x = _matrix(layer), torch.randn(6, 5, dtype=torch.float64)
    y, ladj = layer(x)
    expected = x.numpy() @ matrix.T + layer.shift.detach().numpy()
    np.testing.assert_allclose(y.detach().numpy(), expected, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(ladj.detach().numpy(), np.linalg.slogdet(matrix)[1], rtol=1e-10)
    solved = np.linalg.solve(matrix, (x - layer.shift).detach().numpy().T).T
    np.testing.assert_allclose(layer.inverse(x)[0].detach().numpy(), solved, rtol=1e-9, atol=1e-10)


def test_the_exponential_is_the_sum_of_its_series() -> None:
    layer = _double(MatrixExponential)
    a = layer.generator().detach().numpy()
    series, term = np.eye(5), np.eye(5)
    for k in range(1, 60):
        term = term @ a / k
        series = series + term
    np.testing.assert_allclose(_matrix(layer), series, rtol=1e-10, atol=1e-12)
    ladj = layer(torch.zeros(5, dtype=torch.float64))[1]
    assert float(ladj.detach()) == pytest.approx(float(np.trace(a)))


@pytest.mark.parametrize("scale", [1e-20, 1e-3, 1.0, 30.0, 1e30])
def test_the_generator_is_the_weight_with_a_bounded_norm(scale: float) -> None:
    layer = MatrixExponential(6)
    with torch.no_grad():
        layer.weight.normal_().mul_(scale)
    weight = layer.weight.detach().double().numpy()
    values = np.linalg.svd(weight / scale, compute_uv=False)
    norm = scale * (values**16).sum() ** (1 / 16) / BOUND
    expected = weight * (math.tanh(norm) / norm)
    found = layer.generator().detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert np.linalg.norm(found, 2) <= BOUND * (1 + 1e-6)
    assert layer(torch.randn(3, 6))[0].isfinite().all()


def test_a_small_generator_is_its_weight() -> None:
    layer = MatrixExponential(3)
    with torch.no_grad():
        layer.weight.copy_(torch.eye(3) * 1e-3)
    torch.testing.assert_close(layer.generator(), layer.weight)
    torch.testing.assert_close(layer(torch.ones(3))[1], torch.tensor(3e-3))


def test_gradients_of_the_generator() -> None:
    layer = _double(MatrixExponential, 3)

    def generator(weight: Tensor) -> Tensor:
        return torch.func.functional_call(
            _Generator(layer), {"layer.weight": weight, "layer.shift": layer.shift}, ()
        )

    weight = layer.weight.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(generator, (weight,))


class _Generator(torch.nn.Module):
    def __init__(self, layer: MatrixExponential) -> None:
        super().__init__()
        self.layer = layer

    def forward(self) -> Tensor:
        return self.layer.generator()


def test_triangular_on_a_standard_normal_is_any_normal() -> None:
    covariance = torch.tensor([[2.0, 0.5], [0.5, 1.0]], dtype=torch.float64)
    factor = torch.linalg.cholesky(covariance)
    layer = Triangular(2).double()
    with torch.no_grad():
        layer.weight.copy_(factor)
        layer.log_diagonal.copy_(BOUND * torch.atanh(factor.diagonal().log() / BOUND))
        layer.shift.copy_(torch.tensor([1.0, -1.0]))
    flow = diffeo.Flow(StandardNormal(2), layer).double()
    x = torch.randn(9, 2, dtype=torch.float64)
    expected = MultivariateNormal(2, [1.0, -1.0], covariance).double().log_prob(x)
    torch.testing.assert_close(flow.log_prob(x), expected, rtol=1e-6, atol=1e-6)


def test_qr_is_an_orthogonal_matrix_times_a_triangle() -> None:
    layer = _double(QR)
    matrix = _matrix(layer)
    q, r = np.linalg.qr(matrix)
    signs = np.sign(np.diag(r))
    np.testing.assert_allclose(signs * np.diag(r), _bounded(layer.log_diagonal), rtol=1e-10)
    upper = np.triu(layer.weight.detach().numpy(), 1)
    np.testing.assert_allclose(np.triu(signs[:, None] * r, 1), upper, rtol=1e-9, atol=1e-10)
    assert np.linalg.det(q * signs) == pytest.approx(1)


def test_svd_has_its_singular_values() -> None:
    layer = _double(SVD)
    found = np.linalg.svd(_matrix(layer), compute_uv=False)
    np.testing.assert_allclose(found, np.sort(_bounded(layer.log_values))[::-1], rtol=1e-10)


def test_an_odd_number_of_reflections_still_starts_svd_at_the_identity() -> None:
    x = torch.randn(4, 3)
    torch.testing.assert_close(SVD(3, 1)(x)[0], x, atol=1e-6, rtol=1e-6)


def test_low_rank_plus_diagonal_is_what_it_says() -> None:
    layer = _double(lambda d: LowRankPlusDiagonal(d, 2))
    matrix = _matrix(layer)
    d = _bounded(layer.log_diagonal)
    values = np.linalg.svd(matrix - np.diag(d), compute_uv=False)
    assert (values[:2] > 1e-2).all()
    assert (values[2:] < 1e-12).all()
    # what decides about singularity: the other eigenvalues of D^-1 M are 1
    eigenvalues = np.sort(np.linalg.eigvals(matrix / d[:, None]).real)
    expected = np.sort(np.concatenate([_bounded(layer.log_inner), np.ones(3)]))
    np.testing.assert_allclose(eigenvalues, expected, rtol=1e-6)


def test_low_rank_plus_diagonal_reaches_a_factor_model() -> None:
    """diag(d) + A A^T, from the start of training."""
    torch.manual_seed(0)
    factors = torch.randn(4, 2)
    target = (torch.diag(torch.tensor([0.5, 1.0, 1.5, 1.0])) + factors @ factors.T).double()
    layer = LowRankPlusDiagonal(4, 2).double()
    optimizer = torch.optim.LBFGS(layer.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        x = torch.cat([torch.zeros_like(target[:1]), torch.eye(4).to(target)])
        y = layer(x)[0]
        distance = (y[1:] - y[0] - target).square().sum()
        distance.backward()
        return distance

    start = float(loss().detach())
    optimizer.step(loss)
    assert float(loss().detach()) < 1e-6 * start


@pytest.mark.parametrize("raw", [0.0, 1e3, -1e3, 1e30])
@pytest.mark.parametrize("make", LAYERS)
def test_never_singular(make: Callable[[int], Transform], raw: float) -> None:
    layer = make(2)
    with torch.no_grad():
        for name, parameter in layer.named_parameters():
            # off-diagonal entries may be anything; the diagonals decide
            if name.startswith("log_") or isinstance(layer, MatrixExponential):
                parameter.fill_(raw)
        layer.shift.zero_()
    y, ladj = layer(torch.randn(5, 2))
    z, inverse_ladj = layer.inverse(y)
    for value in (y, ladj, z, inverse_ladj):
        assert bool(value.isfinite().all())
    assert float(ladj.detach().abs().max()) <= 4 * BOUND * (1 + 1e-6)


def test_a_rank_outside_the_features() -> None:
    for rank in (0, 4):
        with pytest.raises(ShapeError, match=f"rank must be 1 to 3.*got {rank}"):
            LowRankPlusDiagonal(3, rank)
