"""Flows on the sphere: integrals, poles, fits, errors and files."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import diffeo
from diffeo import bases
from diffeo.audit import perturbed
from diffeo.errors import DataError, ShapeError

SMALL = {"layers": 2, "hidden": (16,), "bins": 4, "seed": 0}
F64 = torch.float64


def _grid(rows: int) -> tuple[torch.Tensor, float]:
    """Points of equal shares of the sphere, and the share."""
    height = (torch.arange(rows, dtype=F64) + 0.5) / rows * 2 - 1
    angle = (torch.arange(2 * rows, dtype=F64) + 0.5) / rows * math.pi
    h, a = (t.flatten() for t in torch.meshgrid(height, angle, indexing="ij"))
    r = (1 - h * h).sqrt()
    return torch.stack([r * a.cos(), r * a.sin(), h], dim=-1), 4 * math.pi / (2 * rows * rows)


@pytest.mark.parametrize(
    ("flow", "rows", "error"),
    [
        # bends of splines make a quadrature converge slowly
        (diffeo.SphereFlow(3, **SMALL), 256, 1e-3),
        (
            diffeo.Flow(
                bases.VonMisesFisher([0.6, 0.0, 0.8], 2.0), diffeo.transforms.ExponentialMap(3, 4)
            ),
            64,
            1e-4,
        ),
    ],
    ids=["SphereFlow", "ExponentialMap"],
)
def test_the_density_of_a_perturbed_flow_integrates_to_one(flow, rows, error):
    x, share = _grid(rows)
    moved = perturbed(flow, seed=1).double()
    with torch.no_grad():
        density = moved.log_prob(x).exp()
    assert float(density.max() / density.min()) > 1.5
    assert float(density.sum()) * share == pytest.approx(1, abs=error)


@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_poles_have_finite_densities_and_scores(dtype):
    poles = torch.cat([torch.eye(3), -torch.eye(3)]).to(dtype)
    for flow in (diffeo.SphereFlow(3, **SMALL), diffeo.NSF(3, supports=diffeo.sphere(3), **SMALL)):
        moved = perturbed(flow).to(dtype)
        assert bool(moved.log_prob(poles).isfinite().all())
        assert bool(moved.score(poles).isfinite().all())


def test_the_density_is_continuous_at_the_poles_of_every_layer():
    flow = perturbed(diffeo.SphereFlow(3, **SMALL)).double()
    angle = torch.linspace(-3, 3, 9, dtype=F64)
    near = torch.stack([1e-7 * angle.cos(), 1e-7 * angle.sin(), torch.ones_like(angle)], dim=-1)
    # the layers' own poles, brought to the data's side
    for i in range(2):
        after = diffeo.Sequential(*list(flow.transform)[i + 1 :]) if i == 0 else None
        ring = near if after is None else after(near)[0]
        log_prob = flow.log_prob(F.normalize(ring, dim=-1)).detach()
        assert float(log_prob.max() - log_prob.min()) < 1e-4


def test_fresh_is_the_base_whatever_the_dimension():
    for dim in (2, 3, 4):
        x = F.normalize(torch.randn(5, dim, dtype=F64), dim=-1)
        base = bases.VonMisesFisher(torch.arange(1.0, dim + 1), 5.0)
        for noise in (bases.SphereUniform(dim), base):
            flow = diffeo.SphereFlow(dim, base=noise, **SMALL).double()
            found, expected = flow.log_prob(x).detach(), noise.double().log_prob(x)
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_outside_is_minus_infinity_and_lengths_may_miss_one_by_rounding():
    flow = perturbed(diffeo.SphereFlow(3, **SMALL))
    x = torch.tensor([[0.6, 0.0, 0.8], [0.6, 0.0, 0.9], [0.6, 0.0, math.nan]])
    log_prob = flow.log_prob(x).detach()
    assert float(log_prob[1]) == -math.inf
    assert bool(log_prob[2].isnan())
    torch.testing.assert_close(flow.log_prob(x[:1] * (1 + 5e-5)).detach(), log_prob[:1])


def test_a_fit_finds_a_mixture(tmp_path):
    truth = bases.VonMisesFisherMixture(
        [[0.0, 0.0, 1.0], [0.0, -1.0, 0.2]], [30.0, 10.0], [0.6, 0.4]
    )
    x = truth.sample(3000, seed=0).numpy()
    flow = diffeo.SphereFlow(3, layers=2, hidden=(16,), bins=8, seed=0)
    flow.fit(x[:2000], epochs=20, lr=1e-2, progress=False)
    with torch.no_grad():
        missing = float((truth.log_prob(torch.tensor(x[2000:]))).mean())
    assert missing - flow.log_prob(x[2000:]).mean() == pytest.approx(0, abs=0.1)
    flow.save(tmp_path / "m.safetensors")
    again = diffeo.load(tmp_path / "m.safetensors")
    assert again.support == flow.support
    np.testing.assert_array_equal(again.log_prob(x), flow.log_prob(x))


def test_a_mixture_as_base_is_fitted_under_the_flow_and_saved(tmp_path):
    x = bases.VonMisesFisher([0.0, 0.6, 0.8], 50.0).sample(100, seed=0)
    base = bases.fit_von_mises_fisher(x, 2, learned=True)
    before = base.loc.detach().clone()
    flow = diffeo.SphereFlow(3, base=base, **SMALL).fit(x, epochs=2, progress=False)
    assert not torch.equal(base.loc.detach(), before)
    flow.save(tmp_path / "m.safetensors")
    again = diffeo.load(tmp_path / "m.safetensors")
    assert torch.equal(again.log_prob(x), flow.log_prob(x))


@pytest.mark.parametrize("model", [diffeo.NSF, diffeo.CircularNSF])
def test_spheres_stand_beside_other_features(model):
    supports = [diffeo.real(), diffeo.real(), diffeo.circle(), diffeo.sphere(3)]
    truth = bases.VonMisesFisher([0.0, 0.6, 0.8], 10.0).sample(200, seed=0)
    x = torch.cat([torch.randn(200, 2), torch.rand(200, 1), truth], dim=-1)
    flow = model(6, supports=supports, **SMALL).fit(x, epochs=2, progress=False)
    assert bool(flow.log_prob(x).isfinite().all())
    drawn = flow.sample(50, seed=0)
    assert bool(flow.support.contains(drawn).all())
    torch.testing.assert_close(drawn[:, 3:].norm(dim=1), torch.ones(50))


def test_rows_off_the_sphere_are_named():
    x = bases.SphereUniform(3).sample(40, seed=0).numpy()
    x[7] *= 2
    message = r"row 7, column 'x0'.* the columns 'x0' to 'x2' are a vector of length 1"
    with pytest.raises(DataError, match=message):
        diffeo.SphereFlow(3, **SMALL).fit(x, epochs=1, progress=False)


def test_a_sphere_needs_two_dimensions():
    with pytest.raises(ShapeError, match="size must be a whole number >= 2, got 1"):
        diffeo.SphereFlow(1)
