"""Linear layers and Student-t densities against Pyro's and torch's, at the same raw parameters."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch import distributions as td

from diffeo.audit import perturbed
from diffeo.bases import MultivariateStudentT, StudentT
from diffeo.transforms import DCT, Haar, Householder, MatrixExponential, Permutation, Transform

pytest.importorskip("pyro", reason="compares with Pyro, see the extra peers")

from pyro import distributions as pyro
from pyro.distributions import transforms as theirs


def _agree(mine: Transform, peer: td.Transform, x: Tensor) -> None:
    """Both directions and both ladj, at 1e-8."""
    y, ladj = mine(x)
    expected = peer(x)
    torch.testing.assert_close(y, expected, rtol=1e-8, atol=1e-8)
    # Pyro's ladj of some layers is one number for the whole batch
    their_ladj = peer.log_abs_det_jacobian(x, expected).expand(x.shape[:-1])
    torch.testing.assert_close(ladj, their_ladj, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(mine.inverse(x)[0], peer.inv(x), rtol=1e-8, atol=1e-8)


def _points(features: int) -> Tensor:
    return torch.randn(50, features, dtype=torch.float64) * 3


@pytest.mark.parametrize("reflections", [1, 2, 5])
@pytest.mark.parametrize("features", [1, 3, 8])
def test_householder(features: int, reflections: int) -> None:
    mine = perturbed(Householder(features, reflections)).double()
    peer = theirs.Householder(features, reflections).double()
    peer.u_unnormed.data.copy_(mine.vectors.detach())
    _agree(mine, peer, _points(features))


@pytest.mark.parametrize("features", [1, 3, 8])
def test_matrix_exponential(features: int) -> None:
    mine = perturbed(MatrixExponential(features)).double()
    with torch.no_grad():
        # Pyro's layer has no shift
        mine.shift.zero_()
    # its default of 8 terms of the series is a choice of accuracy; 60 reach that of float64
    peer = theirs.MatrixExponential(features, iterations=60).double()
    # diffeo bounds the norm of the exponent; Pyro does not unless told, so it is given the result
    peer.weights.data.copy_(mine.generator().detach())
    _agree(mine, peer, _points(features))


@pytest.mark.parametrize("features", [1, 2, 4, 8, 64])
def test_haar_of_powers_of_two(features: int) -> None:
    _agree(Haar(features), theirs.HaarTransform(), _points(features))


def test_haar_of_another_size_carries_the_odd_element_further() -> None:
    """At an odd level Pyro leaves the last sum as a coefficient; diffeo takes it to the next."""
    x = _points(6)
    y, expected = Haar(6)(x)[0], theirs.HaarTransform()(x)
    # the first level has an even number, so its differences agree
    torch.testing.assert_close(y[:, 3:], expected[:, 3:], rtol=1e-8, atol=1e-8)
    sums = (x[:, 0::2] + x[:, 1::2]) / math.sqrt(2)
    torch.testing.assert_close(expected[:, 2], sums[:, 2])
    # (s_0 + s_1) / sqrt 2 meets the carried s_2 once more
    pair = (sums[:, 0] + sums[:, 1]) / math.sqrt(2)
    torch.testing.assert_close(y[:, 0], (pair + sums[:, 2]) / math.sqrt(2))
    torch.testing.assert_close(y[:, 1], (pair - sums[:, 2]) / math.sqrt(2))
    torch.testing.assert_close(y[:, 2], expected[:, 1])


@pytest.mark.parametrize("features", [1, 2, 3, 8, 33])
def test_dct(features: int) -> None:
    _agree(DCT(features), theirs.DiscreteCosineTransform(), _points(features))


def test_permutation() -> None:
    order = [3, 0, 4, 1, 2]
    _agree(Permutation(order), theirs.Permute(torch.tensor(order)), _points(5))


def test_student_t_against_torch() -> None:
    base = perturbed(StudentT(3, [0.7, 3.0, 40.0], learned=True)).double()
    x = _points(3)
    expected = td.StudentT(base.freedom().detach()).log_prob(x).sum(-1)
    torch.testing.assert_close(base.log_prob(x).detach(), expected, rtol=1e-8, atol=1e-8)


def test_multivariate_student_t() -> None:
    base = perturbed(MultivariateStudentT(3, 2.0, learned=True)).double()
    packed = base.factor.detach()
    factor = packed.tril(-1) + torch.diag(packed.diagonal().exp())
    peer = pyro.MultivariateStudentT(base.freedom().detach(), base.loc.detach(), factor)
    x = _points(3)
    torch.testing.assert_close(base.log_prob(x).detach(), peer.log_prob(x), rtol=1e-8, atol=1e-8)
