"""The circular flow: its parts, continuity across the seam, and fits to known densities."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import diffeo
from diffeo import transforms, univariates
from diffeo.audit import perturbed
from diffeo.errors import DataError, ShapeError
from diffeo.nets.layers import compress

SMALL = {"layers": 2, "hidden": (16,), "bins": 4, "seed": 0}
F64 = torch.float64


def test_the_spline_keeps_the_seam_and_its_slope():
    spline = univariates.CircularRationalQuadraticSpline(bins=5)
    params = torch.randn(spline.num_params, 1, dtype=F64)
    for act, sign in ((spline.forward, 1), (spline.inverse, -1)):
        ends, slopes = act(torch.tensor([-math.pi, math.pi], dtype=F64), params)
        torch.testing.assert_close(ends, torch.tensor([-math.pi, math.pi], dtype=F64))
        # parameter 10 is the slope at the seam
        log_slope = sign * math.log(1e3) * torch.tanh(params[10] / math.log(1e3))
        torch.testing.assert_close(slopes, log_slope.expand(2), rtol=1e-9, atol=1e-9)


def test_the_spline_is_increasing_and_stays_on_the_circle_in_float32():
    spline = univariates.CircularRationalQuadraticSpline(bins=8)
    params = 3 * torch.randn(spline.num_params, 50, 1)
    x = torch.linspace(-math.pi, math.pi, 1001).expand(50, -1)
    y, _ = spline.forward(x, params)
    assert bool(spline.codomain.contains(y).all())
    assert bool((y.diff() > -1e-6).all())


def test_zero_parameters_are_the_identity():
    x = torch.linspace(-math.pi, math.pi, 101, dtype=F64)
    for univariate in (
        univariates.CircularRationalQuadraticSpline(),
        univariates.PhaseShift(),
    ):
        y, log_slope = univariate.forward(x, torch.zeros(univariate.num_params, 1, dtype=F64))
        torch.testing.assert_close(y, x, rtol=0, atol=1e-14)
        torch.testing.assert_close(log_slope, torch.zeros_like(x), rtol=0, atol=1e-14)


def test_a_phase_shift_by_full_turns_is_none():
    shift = univariates.PhaseShift()
    x = torch.tensor([-3.0, 0.0, 3.1], dtype=F64)
    y, _ = shift.forward(x, torch.full((1, 3), 20 * math.pi, dtype=F64))
    torch.testing.assert_close(y, x, rtol=0, atol=1e-13)
    y, _ = shift.forward(x, torch.full((1, 3), math.pi, dtype=F64))
    expected = torch.tensor([math.pi - 3, math.pi, 3.1 - math.pi], dtype=F64)
    torch.testing.assert_close(y, expected)


@pytest.mark.parametrize(
    "univariate", [univariates.CircularRationalQuadraticSpline(), univariates.PhaseShift()]
)
def test_outside_the_circle_the_density_is_zero(univariate):
    params = torch.randn(univariate.num_params, 3)
    _, log_slope = univariate.inverse(torch.tensor([3.5, 3.0, math.nan]), params)
    assert float(log_slope[0]) == -math.inf
    assert bool(log_slope[1].isfinite())


def test_a_coupling_that_sees_angles_is_periodic():
    layer = perturbed(
        transforms.Coupling(
            3, univariates.Affine(), mask=[False, True, False], angles=[True, False, False]
        )
    )
    assert layer.conditioner.input.weight.shape[1] == 3
    x = torch.randn(5, 3)
    turned = x + torch.tensor([2 * math.pi, 0.0, 0.0])
    torch.testing.assert_close(layer(turned)[0][:, 1], layer(x)[0][:, 1], rtol=1e-4, atol=1e-4)
    # the features that are no angles enter as they are, and before them
    moved = x + torch.tensor([0.0, 0.0, 2 * math.pi])
    assert not torch.allclose(layer(moved)[0][:, 1], layer(x)[0][:, 1], atol=1e-3)
    assert repr(layer.domain) == "[circle(), real(), real()]"


@pytest.mark.parametrize("residual", [False, True])
def test_an_autoregression_of_angles_is_periodic_and_triangular(residual):
    spline = univariates.CircularRationalQuadraticSpline(bins=4)
    layer = transforms.MaskedAutoregressive(3, spline, hidden=(16, 16), residual=residual)
    layer = perturbed(layer).double()
    x = torch.rand(5, 3, dtype=F64) * 4 - 2
    seam = x.clone(), x.clone()
    seam[0][:, 0], seam[1][:, 0] = -math.pi, math.pi
    (y0, ladj0), (y1, ladj1) = map(layer, seam)
    torch.testing.assert_close(y0[:, 1:], y1[:, 1:])
    torch.testing.assert_close(ladj0, ladj1)
    jacobian = torch.autograd.functional.jacobian(lambda v: layer(v)[0], x[0])
    assert torch.equal(jacobian.triu(1), torch.zeros(3, 3, dtype=F64))
    assert bool((jacobian.tril(-1)[[1, 2, 2], [0, 0, 1]] != 0).all())


def test_a_conditioner_of_ones_own_gets_two_columns_an_angle():
    seen = []

    class Own(torch.nn.Module):
        def forward(self, x):
            seen.append(x)
            return x.new_zeros(*x.shape[:-1], 2)

    layer = transforms.Coupling(
        3, univariates.Affine(), mask=[0, 1, 0], angles=[1, 0, 0], conditioner=Own()
    )
    layer(torch.tensor([[0.5, 0.0, 0.25]]))
    expected = torch.tensor([[0.25, math.cos(0.5), math.sin(0.5)]])
    torch.testing.assert_close(seen[-1], compress(expected))


def _mixed(seed: int = 0) -> diffeo.CircularNSF:
    supports = [diffeo.real(), diffeo.circle(), diffeo.positive(), diffeo.circle()]
    return perturbed(diffeo.CircularNSF(4, supports=supports, **SMALL), seed).double()


@pytest.mark.parametrize("angle", [1, 3])
def test_the_density_is_the_same_on_both_sides_of_the_seam(angle):
    flow = _mixed()
    x = flow.sample(20, seed=0)
    sides = []
    for value in (-math.pi, -math.pi + 1e-9, math.pi - 1e-9, math.pi):
        x[:, angle] = value
        sides.append(flow.log_prob(x).detach())
    for side in sides[1:]:
        torch.testing.assert_close(side, sides[0], rtol=1e-6, atol=1e-6)


def test_the_seam_of_a_fresh_flow_can_be_moved():
    """Without phase shifts no spline could move mass across pi."""
    flow = diffeo.CircularNSF(1, **SMALL)
    layers = (m for m in flow.modules() if isinstance(m, transforms.Elementwise))
    shifts = [m for m in layers if isinstance(m.univariate, univariates.PhaseShift)]
    assert len(shifts) == 2
    x = torch.tensor([[3.0]])
    shifts[0].params.data.fill_(1.0)
    torch.testing.assert_close(flow.from_base(x), torch.tensor([[4.0 - 2 * math.pi]]))


def test_standardisation_leaves_angles_alone():
    flow = diffeo.CircularNSF(
        3, supports=[diffeo.circle(), diffeo.real(), diffeo.circle()], **SMALL
    )
    x = torch.tensor([1.0, 100.0, 2.0]) + torch.randn(500, 3) * torch.tensor([0.1, 50.0, 0.1])
    flow.initialize(x)
    (scaler,) = (m for m in flow.modules() if isinstance(m, transforms.Standardize))
    assert scaler.mean.shape == (1,)
    assert float(scaler.mean) == pytest.approx(100, abs=10)
    z = flow.to_base(x)
    torch.testing.assert_close(z[:, 0], x[:, 0])
    torch.testing.assert_close(z[:, 2], x[:, 2])
    assert float(z[:, 1].detach().std()) == pytest.approx(1, abs=0.01)


def test_fresh_is_uniform_on_the_torus():
    flow = diffeo.CircularNSF(2, **SMALL).double()
    x = math.pi * (2 * torch.rand(10, 2, dtype=F64) - 1)
    expected = torch.full((10,), -2 * math.log(2 * math.pi), dtype=F64)
    torch.testing.assert_close(flow.log_prob(x).detach(), expected, rtol=0, atol=1e-12)


def _excess(flow: diffeo.Flow, truth, samples: torch.Tensor) -> float:
    """Nats by which the flow misses the entropy's share of each sample."""
    with torch.no_grad():
        return float((truth(samples) - flow.log_prob(samples)).mean())


def test_a_fit_finds_a_mixture_across_the_seam():
    locs, weights = torch.tensor([3.0, 0.5]), torch.tensor([0.7, 0.3])
    parts = torch.distributions.VonMises(locs, torch.tensor([8.0, 20.0]))
    chosen = torch.multinomial(weights, 6000, replacement=True)
    x = parts.sample((6000,)).gather(1, chosen[:, None])

    def truth(x: torch.Tensor) -> torch.Tensor:
        return torch.logsumexp(parts.log_prob(x) + weights.log(), dim=-1)

    assert float((x > 2).sum()) > 1000
    assert float((x < -2).sum()) > 1000
    flow = diffeo.CircularNSF(1, layers=2, hidden=(32,), seed=0)
    flow.fit(x[:4000], epochs=25, lr=1e-2, progress=False)
    assert abs(_excess(flow, truth, x[4000:])) < 0.05
    ends = flow.log_prob(torch.tensor([[-math.pi], [math.pi]])).detach()
    assert float(ends[0]) == pytest.approx(float(ends[1]), abs=1e-4)


def test_a_fit_finds_two_modes_on_the_torus():
    """One mode sits on the corner where both seams meet, and the angles hang together."""
    base = torch.distributions.VonMises(torch.tensor(0.0), torch.tensor(6.0))

    def pair(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        return torch.stack([first, first + second], dim=-1)

    shift = math.pi * (torch.rand(8000, 1) < 0.5)
    x = pair(base.sample((8000,)), base.sample((8000,))) + shift
    x = diffeo.torus(2).nearest(x)

    def truth(x: torch.Tensor) -> torch.Tensor:
        each = [
            base.log_prob(x[:, 0] - s) + base.log_prob(x[:, 1] - x[:, 0]) for s in (0.0, math.pi)
        ]
        return torch.logsumexp(torch.stack(each), dim=0) - math.log(2)

    flow = diffeo.CircularNSF(2, layers=4, hidden=(32, 32), seed=0)
    flow.fit(x[:6000], epochs=30, lr=5e-3, progress=False)
    assert abs(_excess(flow, truth, x[6000:])) < 0.1


def test_a_conditional_fit_turns_with_its_context(tmp_path):
    generator = np.random.default_rng(0)
    context = generator.uniform(-1, 1, size=(3000, 1)).astype(np.float32)
    angle = generator.vonmises(0.0, 10.0, size=3000) + 3 * context[:, 0]
    x = np.c_[np.angle(np.exp(1j * angle)), generator.gamma(3.0, size=3000)].astype(np.float32)
    supports = [diffeo.circle(), diffeo.positive()]
    flow = diffeo.CircularNSF(2, context=1, supports=supports, layers=2, hidden=(32,), seed=0)
    flow.fit(x, context=context, epochs=15, lr=1e-2, progress=False)
    for c in (-0.9, 0.5, 0.9):
        drawn = flow.sample(1000, np.array([c], dtype=np.float32), seed=0)[:, 0]
        mean = np.angle(np.exp(1j * (drawn - 3 * c)).mean())
        assert mean == pytest.approx(0, abs=0.2)
    flow.save(tmp_path / "m.safetensors")
    again = diffeo.load(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(again.log_prob(x, context), flow.log_prob(x, context))


def test_an_angle_in_degrees_is_named():
    x = np.c_[np.linspace(-3, 3, 40), np.linspace(0, 1, 40)]
    x[5, 0] = 90.0
    flow = diffeo.CircularNSF(2, supports=[diffeo.circle(), diffeo.real()], **SMALL)
    with pytest.raises(DataError, match=r"holds 90 at row 5, column 'x0'.*circle\(\)"):
        flow.fit(x, epochs=1, progress=False)


def test_an_angle_of_exactly_pi_can_be_fitted():
    x = np.linspace(-np.pi, np.pi, 40)[:, None].astype(np.float32)
    flow = diffeo.CircularNSF(1, **SMALL).fit(x, epochs=1, progress=False)
    assert np.isfinite(flow.log_prob(x)).all()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: diffeo.CircularNSF(2, supports=diffeo.real()), "no support is a circle"),
        (lambda: diffeo.CircularNSF(0), "features must be"),
        (lambda: diffeo.CircularNSF(3, supports=[diffeo.circle()]), "these take 1 columns"),
        (lambda: transforms.Coupling(2, univariates.Affine(), angles=[True]), "angles must hold 2"),
        (lambda: transforms.Chosen(2, [True], transforms.Reverse(1)), "where must hold 2"),
        (
            lambda: transforms.Chosen(3, [True, True, False], transforms.Reverse(3)),
            r"marks 2 of 3 features, but Reverse takes events of shape \(3,\)",
        ),
    ],
)
def test_errors_say_what_was_given(build, message):
    with pytest.raises(ShapeError, match=message):
        build()
