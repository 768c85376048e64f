"""Models of BridgeStan as targets, by an imitation of its interface."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from diffeo.adapters.stan import StanTarget
from diffeo.errors import TargetError


class FakeModel:
    """real<lower=0> s with density e^-s, matrix[2, 2] B standard normal; BridgeStan's methods."""

    names = ("s", "B.1.1", "B.2.1", "B.1.2", "B.2.2")

    def param_unc_num(self):
        return 5

    def param_names(self, *, include_tp=False, include_gq=False):
        assert not include_gq
        return [*self.names, *(["root"] if include_tp else [])]

    def log_density(self, z, *, propto=True, jacobian=True):
        assert not propto
        assert jacobian
        if z[0] < -3:
            raise RuntimeError("s is too small")
        return z[0] - np.exp(z[0]) - (z[1:] ** 2).sum() / 2

    def log_density_gradient(self, z, *, propto=True, jacobian=True):
        value = self.log_density(z, propto=propto, jacobian=jacobian)
        return value, np.concatenate([[1 - np.exp(z[0])], -z[1:]])

    def param_constrain(self, z, *, include_tp=False, include_gq=False):
        assert not include_gq
        if include_tp and z[0] < -3:
            raise RuntimeError("s is too small")
        root = [np.exp(z[0] / 2)] if include_tp else []
        return np.concatenate([[np.exp(z[0])], z[1:], root])

    def param_unconstrain(self, values):
        return np.concatenate([[np.log(values[0])], values[1:]])


def _points() -> torch.Tensor:
    return torch.randn(4, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_values_gradients_and_shapes():
    target = StanTarget(FakeModel())
    assert target.shapes == {"s": (), "B": (2, 2), "root": ()}
    z = _points().requires_grad_()
    assert torch.autograd.gradcheck(target.log_prob, (z,))
    assert torch.equal(target.log_prob(z), target.log_prob(z.detach()))
    values = target.constrain(z.detach())
    assert torch.equal(values["B"], z.detach()[:, 1:].reshape(4, 2, 2).mT)
    torch.testing.assert_close(values["root"].square(), values["s"])
    torch.testing.assert_close(target.unconstrain(values), z.detach())


def test_a_row_that_fails_has_density_zero():
    target = StanTarget(FakeModel())
    z = _points()
    z[1, 0] = -4
    value, gradient = target.value_and_gradient(z)
    assert value.isfinite().tolist() == [True, False, True, True]
    assert (gradient[1] == 0).all()
    assert target.constrain(z)["root"].isnan().tolist() == [False, True, False, False]
    with pytest.raises(TargetError, match=r"fails at all 1 points .* s is too small"):
        StanTarget(FakeModel()).log_prob(z[1:2])


def test_data_belong_to_the_model():
    with pytest.raises(TargetError, match="holds its data"):
        StanTarget(FakeModel(), {"N": 1})


@pytest.mark.parametrize("names", [("z.1.real", "z.1.imag"), ("t:1.2",), ("t.1", "t.3")])
def test_complex_numbers_and_tuples_are_refused(names):
    model = FakeModel()
    model.names = names
    with pytest.raises(TargetError, match=r"Stan variable '[zt]' is"):
        StanTarget(model)


def test_a_model_without_parameters():
    model = FakeModel()
    model.param_unc_num = lambda: 0
    with pytest.raises(TargetError, match="no parameters"):
        StanTarget(model)
