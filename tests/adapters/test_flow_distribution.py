from __future__ import annotations

import pytest
import torch

import diffeo

pyro = pytest.importorskip("pyro", reason="needs the extra: pip install 'diffeo[pyro]'")
dist = pyro.distributions

from diffeo.adapters.pyro import FlowDistribution  # noqa: E402, Pyro may be missing


@pytest.fixture(autouse=True)
def _own_store():
    with pyro.get_param_store().scope():
        yield


def test_pyros_shapes():
    flow, c = diffeo.RealNVP(4, context=3, layers=2, seed=0), torch.randn(5, 3)
    d = FlowDistribution(flow, c)
    assert (d.batch_shape, d.event_shape, d.event_dim) == ((5,), (4,), 1)
    assert d().shape == d.shape() == (5, 4)
    assert d().requires_grad
    x = d.expand([2, 5]).sample()
    assert x.shape == (2, 5, 4)
    torch.testing.assert_close(d.expand([2, 5]).log_prob(x), flow.log_prob(x, c))
    whole = d.to_event(1)
    assert (whole.batch_shape, whole.event_shape) == ((), (5, 4))
    torch.testing.assert_close(whole.log_prob(x), flow.log_prob(x, c).sum(-1))
    mask = torch.tensor([True, False, True, True, False])
    torch.testing.assert_close(d.mask(mask).log_prob(x), mask * flow.log_prob(x, c))
    # draws of an expanded distribution differ
    assert not torch.equal(x[0], x[1])


def test_a_flow_as_likelihood_is_trained_in_a_model():
    torch.manual_seed(0)
    c = torch.randn(400, 1)
    data = 3 + 2 * c + 0.5 * torch.randn(400, 2)
    flow = diffeo.RealNVP(2, context=1, layers=2, hidden=(16,), seed=0)

    def model():
        pyro.module("flow", flow)
        with pyro.plate("rows", len(data)):
            pyro.sample("x", FlowDistribution(flow, c), obs=data)

    def guide():
        pass

    @torch.no_grad()
    def score():
        return float(flow.log_prob(data, c).sum())

    optim = pyro.optim.Adam({"lr": 2e-2})
    svi = pyro.infer.SVI(model, guide, optim, pyro.infer.Trace_ELBO())
    loss = svi.evaluate_loss()
    assert loss == pytest.approx(-score(), rel=1e-4)
    for _ in range(300):
        svi.step()
    # the entropy of the noise; the flow may overfit a little
    entropy = float(dist.Normal(0.0, 0.5).entropy()) * 2
    assert -score() / len(data) == pytest.approx(entropy, abs=0.15)


def test_a_flow_as_prior_works_with_guides_and_samplers():
    flow = diffeo.RealNVP(2, layers=2, seed=0)

    def model():
        z = pyro.sample("z", FlowDistribution(flow.eval()))
        pyro.sample("y", dist.Normal(z.sum(-1), 0.5), obs=torch.tensor(1.0))

    guide = pyro.infer.autoguide.AutoNormal(model)
    assert guide()["z"].shape == (2,)
    kernel = pyro.infer.NUTS(model, max_tree_depth=3)
    mcmc = pyro.infer.MCMC(kernel, num_samples=150, warmup_steps=60, disable_progbar=True)
    mcmc.run()
    # a fresh flow is a standard normal: E[z1 + z2 | y] = 2 / (2 + 0.25)
    assert float(mcmc.get_samples()["z"].sum(-1).mean()) == pytest.approx(2 / 2.25, abs=0.2)


def test_draws_in_a_plate_are_independent():
    flow = diffeo.NSF(2, layers=1, seed=0)

    def model():
        with pyro.plate("rows", 5):
            return pyro.sample("x", FlowDistribution(flow))

    x = model()
    assert x.shape == (5, 2)
    assert len(x.unique(dim=0)) == 5
    assert pyro.infer.Predictive(model, num_samples=3)()["x"].shape == (3, 5, 2)


def test_the_support_of_a_flow_that_has_one():
    d = FlowDistribution(diffeo.RealNVP(2, supports=diffeo.positive()))
    assert d.support.check(torch.tensor([[1.0, 2.0], [1.0, -2.0]])).tolist() == [True, False]
