"""Planar, radial, Sylvester and block-autoregressive layers against Pyro's, in float64."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from diffeo.audit.calculus import autograd_ladj
from diffeo.transforms import BlockAutoregressive, Planar, Radial, Sylvester

pyro = pytest.importorskip(
    "pyro.distributions.transforms", reason="Pyro is a peer: run with `make test-peers`"
)

WIDE = math.log(1000)


@pytest.fixture(autouse=True)
def _double() -> Any:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def _unbounded(value: Tensor, bound: float = WIDE) -> Tensor:
    """The raw number whose soft bound is ``value``."""
    return bound * torch.atanh(value / bound)


def _raw_slope(one_plus: Tensor) -> Tensor:
    """The raw number of 1 + w.u, 1 + beta / alpha, 1 + r r~."""
    return torch.sinh(_unbounded(one_plus.log()))


def _agree(ours: Any, peer: Any, x: Tensor, ladj_tolerance: float = 1e-8) -> None:
    with torch.no_grad():
        y, ladj = ours(x)
        expected = peer(x)
        log_det = peer.log_abs_det_jacobian(x, expected).reshape(ladj.shape)
        assert float((y - expected).abs().max()) <= 1e-8
        assert float((ladj - log_det).abs().max()) <= ladj_tolerance
        # what Pyro cannot do: the way back from its own values
        assert float((ours.inverse(expected)[0] - x).abs().max()) <= 1e-7
        # the comparison would say nothing of an identity
        assert float((expected - x).abs().max()) > 0.1


@pytest.mark.parametrize("features", [1, 2, 5])
def test_planar(features: int) -> None:
    peer = pyro.Planar(features)
    for parameter in peer.parameters():
        parameter.data = torch.randn_like(parameter)
    w = peer.w.detach()
    u = peer.u_hat(peer.u, w).detach()
    along = (w * u).sum()
    free = u + (_raw_slope(1 + along) - along) * w / w.square().sum()
    ours = Planar(features)
    ours.params.data = torch.cat([free, w, peer.bias.detach()])
    _agree(ours, peer, torch.randn(50, features))


@pytest.mark.parametrize("features", [1, 2, 5])
def test_radial(features: int) -> None:
    peer = pyro.Radial(features)
    for parameter in peer.parameters():
        parameter.data = torch.randn_like(parameter) + 1
    alpha = torch.nn.functional.softplus(peer.alpha_prime).detach()
    inner = torch.nn.functional.softplus(peer.beta_prime).detach()
    ours = Radial(features)
    raw = [peer.x0.detach(), _unbounded(alpha.log()), _raw_slope(inner / alpha)]
    ours.params.data = torch.cat(raw)
    _agree(ours, peer, torch.randn(50, features))


class _Reversed:
    """A layer between two reversals of the features."""

    def __init__(self, layer: Sylvester) -> None:
        self.layer = layer

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y, ladj = self.layer(x.flip(-1))
        return y.flip(-1), ladj

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        x, ladj = self.layer.inverse(y.flip(-1))
        return x.flip(-1), ladj


def _pyro_sylvester(features: int) -> Any:
    peer = pyro.Sylvester(features, count_transforms=2)
    for parameter in peer.parameters():
        parameter.data = torch.randn_like(parameter)
    return peer


@pytest.mark.parametrize("features", [1, 2, 5])
def test_sylvester(features: int) -> None:
    """Pyro multiplies rows, but with the matrices of columns: what it computes is

        y = x + R^T Q^T tanh(Q S^T x + b),

    not its documented Q R tanh(S Q^T x + b). With Q = I it is a Sylvester layer with lower
    triangles, hence ours with the features reversed.
    """
    peer = _pyro_sylvester(features)
    # two equal reflections cancel
    peer.u_unnormed.data[1] = peer.u_unnormed.data[0]
    outer, inner = peer.R().detach().t().flip(0, 1), peer.S().detach().t().flip(0, 1)
    # our r~_ii is positive; tanh is odd, so signs move freely between R, R~ and b
    sign = inner.diagonal().sign()
    outer, inner = outer * sign, inner * sign[:, None]
    shift = peer.b.detach().flip(0) * sign
    ours = Sylvester(features, "triangular")
    slope = 1 + outer.diagonal() * inner.diagonal()
    ours.params.data = torch.cat(
        [
            (outer.triu(1) + inner.triu(1).t()).flatten(),
            _raw_slope(slope),
            _unbounded(inner.diagonal().log()),
            shift,
        ]
    )
    # Pyro adds 1e-8 to each factor's argument
    least = float(slope.min().clamp(max=1))
    _agree(_Reversed(ours), peer, torch.randn(50, features), 1e-8 + features * 1e-8 / least)


def test_pyros_sylvester_log_det_is_right_without_a_rotation_alone() -> None:
    """With Q other than I the row convention breaks the determinant identity that Pyro uses."""
    peer = _pyro_sylvester(3)
    x = torch.randn(20, 3)
    true = autograd_ladj(lambda x: peer._call(x), x)
    y = peer(x)
    error = (peer.log_abs_det_jacobian(x, y) - true).abs().max()
    assert float(error.detach()) > 0.01
    peer.u_unnormed.data[1] = peer.u_unnormed.data[0]
    true = autograd_ladj(lambda x: peer._call(x), x)
    x = x.clone()  # Pyro caches by identity
    y = peer(x)
    assert torch.allclose(peer.log_abs_det_jacobian(x, y), true, atol=1e-6)


@pytest.mark.parametrize("hidden", [(6,), (5, 4)])
@pytest.mark.parametrize("features", [1, 3])
def test_block_autoregressive(features: int, hidden: tuple[int, ...]) -> None:
    peer = pyro.BlockAutoregressive(features, hidden_factors=list(hidden), residual="gated")
    ours = BlockAutoregressive(features, hidden=hidden)
    # Pyro's gate is the share of x, ours that of the network
    ours.gate.data = _unbounded(-peer.gate.detach()).squeeze()
    bound = WIDE / (len(hidden) + 1)
    for mine, theirs in zip(ours.layers, peer.layers, strict=True):
        theirs._weight.data = torch.randn_like(theirs._weight)
        # Pyro does not bound row norms, ours are below 10
        theirs._diag_weight.data = torch.randn_like(theirs._diag_weight) / 2
        raw = theirs._weight.detach()
        mine.weight.data = torch.where(mine.own, _unbounded(raw), raw)
        # Pyro adds 1e-8 to the norm of a row before it divides
        rows = torch.where(mine.own, raw.exp(), raw * mine.earlier).norm(dim=-1)
        log_norm = theirs._diag_weight.detach().squeeze(-1) - torch.log1p(1e-8 / rows)
        mine.log_norm.data = _unbounded(log_norm, bound)
        mine.bias.data = theirs.bias.detach()
    # and to squared norms, and within the logarithms of the gate
    _agree(ours, peer, torch.randn(50, features), 1e-7)
