from __future__ import annotations

import copy

import pytest
import torch
from torch.distributions import MultivariateNormal

import diffeo
from diffeo.errors import ShapeError, TargetError

pyro = pytest.importorskip("pyro", reason="needs the extra: pip install 'diffeo[pyro]'")
dist = pyro.distributions

from diffeo.adapters.pyro import FlowGuide  # noqa: E402, Pyro may be missing

X = torch.tensor([[1.0, 1.0], [1.0, -0.5], [1.0, 2.0], [1.0, 0.3]])
Y = torch.tensor([1.0, 0.0, 2.5, 1.2])


@pytest.fixture(autouse=True)
def _own_store():
    with pyro.get_param_store().scope():
        yield


def regression(y):
    """A conjugate one: intercept and slope, known noise."""
    b = pyro.sample("b", dist.Normal(0.0, 1.0).expand([2]).to_event(1))
    with pyro.plate("rows", len(X)):
        pyro.sample("y", dist.Normal((X * b).sum(-1), 0.5), obs=y)


def schools():
    """Latent variables of a plate under one of the whole model."""
    tau = pyro.sample("tau", dist.HalfNormal(1.0))
    w = pyro.sample("w", dist.Dirichlet(torch.ones(3)))
    with pyro.plate("schools", 4):
        theta = pyro.sample("theta", dist.Normal(0.0, tau))
        pyro.sample("y", dist.Normal(theta, w[..., 0] + 0.1), obs=torch.ones(4))


def elbo(particles=64, nesting=1):
    return pyro.infer.Trace_ELBO(
        num_particles=particles, vectorize_particles=True, max_plate_nesting=nesting
    )


def test_svi_finds_a_conjugate_posterior():
    precision = torch.eye(2) + X.T @ X / 0.25
    mean = torch.linalg.solve(precision, X.T @ Y / 0.25)
    evidence = MultivariateNormal(torch.zeros(4), X @ X.T + 0.25 * torch.eye(4)).log_prob(Y)
    guide = FlowGuide(regression, lambda dim: diffeo.NSF(dim, layers=2, hidden=(16,), seed=0))
    optim = pyro.optim.ClippedAdam({"lr": 1e-2, "lrd": 0.99})
    svi = pyro.infer.SVI(regression, guide, optim, elbo())
    guide(Y)
    before = guide.flow.sample(4000, seed=0)
    for _ in range(300):
        svi.step(Y)
    draws = guide.flow.sample(20_000, seed=0)
    torch.testing.assert_close(draws.mean(0), mean, atol=0.03, rtol=0)
    torch.testing.assert_close(draws.T.cov(), precision.inverse(), atol=0.01, rtol=0.05)
    assert float((before.mean(0) - mean).abs().max()) > 0.3  # it has moved
    assert svi.evaluate_loss(Y) == pytest.approx(-float(evidence), abs=0.02)


def test_the_guides_density_is_that_of_its_flow_and_the_maps_onto_supports():
    guide = FlowGuide(schools)
    trace = pyro.poutine.trace(guide).get_trace()
    names = [name for name in ("tau", "w", "theta") if name in trace.nodes]
    assert names == ["tau", "w", "theta"]
    values = [trace.nodes[name]["value"] for name in names]
    supports = [dist.HalfNormal(1.0).support, dist.Dirichlet(torch.ones(3)).support]
    maps = [torch.distributions.biject_to(s) for s in supports]
    z = [m.inv(v).reshape(-1) for m, v in zip(maps, values, strict=False)] + [values[2]]
    expected = guide.flow.log_prob(torch.cat(z))
    for m, part in zip(maps, z, strict=False):
        part = part.reshape(()) if part.numel() == 1 else part
        expected = expected - m.log_abs_det_jacobian(part, m(part))
    torch.testing.assert_close(trace.log_prob_sum(), expected, atol=1e-3, rtol=1e-4)


def test_particles_are_drawn_independently_and_scored_rightly():
    guide = FlowGuide(regression)
    with pyro.plate("particles", 7, dim=-2):
        trace = pyro.poutine.trace(guide).get_trace(Y)
    b = trace.nodes["b"]["value"]
    assert b.shape == (7, 1, 2)
    assert len(b.reshape(7, 2).unique(dim=0)) == 7
    name = next(n for n in trace.nodes if n.endswith("_latent"))
    site = trace.nodes[name]
    score = site["fn"].log_prob(site["value"])
    assert score.shape == (7, 1)
    # what was remembered of the draw is what the flow says of it
    torch.testing.assert_close(score, guide.flow.log_prob(b), atol=1e-4, rtol=1e-4)
    elsewhere = site["value"].detach() + 1
    torch.testing.assert_close(site["fn"].log_prob(elsewhere), guide.flow.log_prob(elsewhere))


def test_shapes_with_plates():
    guide = FlowGuide(schools)
    loss = elbo(5).differentiable_loss(schools, guide)
    loss.backward()
    assert all(p.grad is not None for p in guide.flow.parameters())
    draws = pyro.infer.Predictive(schools, guide=guide, num_samples=6)()
    assert draws["theta"].shape == (6, 4)
    assert draws["w"].shape[-1] == 3
    assert bool((draws["tau"] > 0).all())
    medians, spread = guide.median(), guide.quantiles([0.1, 0.9])
    assert {name: value.shape for name, value in medians.items()} == {
        "tau": (), "w": (3,), "theta": (4,),
    }  # fmt: skip
    assert spread["theta"].shape == (2, 4)
    assert bool((spread["tau"][0] < medians["tau"]).all())
    assert bool((medians["tau"] < spread["tau"][1]).all())


def test_two_guides_share_nothing():
    first, second = FlowGuide(regression), FlowGuide(regression)
    first(Y)
    second(Y)
    svi = pyro.infer.SVI(regression, second, pyro.optim.Adam({"lr": 1e-2}), elbo(4))
    before = [p.detach().clone() for p in first.parameters()]
    others = [p.detach().clone() for p in second.parameters()]
    svi.step(Y)
    assert all(torch.equal(a, b) for a, b in zip(before, first.parameters(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(others, second.parameters(), strict=True))


def test_a_copy_that_would_not_be_trained_is_refused():
    guide = FlowGuide(regression)
    guide(Y)
    twin = copy.deepcopy(guide)
    with pytest.raises(TargetError, match=r"would not be trained: call pyro\.clear_param_store"):
        twin(Y)
    pyro.clear_param_store()
    twin(Y)


@pytest.mark.parametrize("model", [diffeo.PlanarFlow, diffeo.IAF, diffeo.MAF])
def test_any_flow_will_do(model):
    guide = FlowGuide(regression, model(2, layers=2, seed=0))
    svi = pyro.infer.SVI(regression, guide, pyro.optim.Adam({"lr": 1e-2}), elbo(16))
    losses = [svi.step(Y) for _ in range(40)]
    assert sum(losses[-5:]) < sum(losses[:5])


def test_one_latent_variable():
    def model():
        pyro.sample("rate", dist.Gamma(2.0, 1.0))

    guide = FlowGuide(model)
    assert guide()["rate"].shape == ()


def test_a_flow_that_cannot_be_reparameterised_gets_the_score_gradient():
    mixture = diffeo.Mixture(diffeo.NSF(2, layers=1, seed=0), diffeo.NSF(2, layers=1, seed=1))
    guide = FlowGuide(regression, mixture)
    elbo(8).differentiable_loss(regression, guide, Y).backward()
    assert any(float(p.grad.abs().max()) > 0 for p in mixture.parameters() if p.grad is not None)


def test_wrong_flows_and_models():
    def discrete():
        z = pyro.sample("z", dist.Bernoulli(0.5))
        pyro.sample("x", dist.Normal(z, 1.0))

    def subsampled():
        with pyro.plate("rows", 10, subsample_size=5):
            pyro.sample("local", dist.Normal(0.0, 1.0))

    with pytest.raises(TargetError, match="discrete latent variables: z;"):
        FlowGuide(discrete)()
    with pytest.raises(TargetError, match="plate 'rows' around 'local' subsamples 5 of 10"):
        FlowGuide(subsampled)()
    with pytest.raises(ShapeError, match=r"has 2 latent reals, .* got one on \(3,\)"):
        FlowGuide(regression, diffeo.NSF(3))(Y)
    with pytest.raises(ShapeError, match="flow on all the reals, got one on"):
        FlowGuide(regression, diffeo.NSF(2, supports=diffeo.positive()))(Y)
    with pytest.raises(TargetError, match="its flow= made 5"):
        FlowGuide(regression, lambda dim: 5)(Y)
    with pytest.raises(TargetError, match="call the guide with the model's arguments first"):
        FlowGuide(regression).median()
