from __future__ import annotations

import pytest
import torch
from adapted_regression import (
    CONCENTRATION,
    GROUP,
    X,
    Y,
    assert_deterministic_value,
    assert_same_density,
    points,
)

from diffeo.errors import TargetError

pyro = pytest.importorskip("pyro", reason="needs the extra: pip install 'diffeo[pyro]'")
dist = pyro.distributions

from diffeo.adapters.pyro import PyroTarget  # noqa: E402, Pyro may be missing


def regression(x, y, branch=False):
    tau = pyro.sample("tau", dist.HalfNormal(torch.tensor(1.0).double()))
    if branch and tau > 1:  # which vmap cannot follow
        tau = 1 * tau
    rho = pyro.sample("rho", dist.Uniform(torch.tensor(-1.0).double(), 2.0))
    w = pyro.sample("w", dist.Dirichlet(torch.from_numpy(CONCENTRATION)))
    with pyro.plate("features", 2):
        b = pyro.sample("b", dist.Normal(0.0, tau))
    pyro.deterministic("twice", 2 * b)
    with pyro.plate("rows", len(y)):
        pyro.sample("y", dist.Normal(x @ b + 2 * w[GROUP] + rho, 0.7), obs=y)


@pytest.mark.parametrize("branch", [False, True])
def test_it_is_the_density_of_torch(branch):
    target = PyroTarget(regression, torch.from_numpy(X), torch.from_numpy(Y), branch=branch)
    assert target.batched is not branch
    assert_same_density(target)
    assert_deterministic_value(target)


def test_supports_may_depend_on_other_sites_and_priors_be_improper():
    def model():
        low = pyro.sample("low", dist.ImproperUniform(dist.constraints.real, (), ()))
        pyro.sample("high", dist.Uniform(low, 5.0))

    target = PyroTarget(model)
    z = torch.tensor([[-2.0, 0.3], [1.0, -1.0]])
    share = z[:, 1].sigmoid()
    torch.testing.assert_close(target.constrain(z)["high"], z[:, 0] + (5 - z[:, 0]) * share)
    # the width of the uniform density and that of the map cancel
    torch.testing.assert_close(target.log_prob(z), (share * (1 - share)).log())


def test_scaled_and_masked_sites_count_as_in_pyro():
    def model():
        with pyro.poutine.scale(scale=3.0):
            pyro.sample("a", dist.LogNormal(0.0, 1.0))
        with pyro.poutine.mask(mask=torch.tensor(False)):
            pyro.sample("b", dist.Normal(0.0, 1.0))

    target = PyroTarget(model)
    z = points(5).float()[:, :2]
    a = z[:, 0].exp()
    # the prior thrice, the log-determinant once
    torch.testing.assert_close(
        target.log_prob(z), 3 * dist.LogNormal(0.0, 1.0).log_prob(a) + z[:, 0]
    )


def test_what_is_no_posterior_is_refused():
    def discrete():
        z = pyro.sample("z", dist.Bernoulli(0.5))
        pyro.sample("x", dist.Normal(z, 1.0))

    def subsampled():
        mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
        with pyro.plate("rows", 10, subsample_size=5):
            pyro.sample("y", dist.Normal(mu, 1.0), obs=torch.ones(5))

    def observed():
        pyro.sample("y", dist.Normal(0.0, 1.0), obs=torch.tensor(1.0))

    with pytest.raises(TargetError, match="Pyro model has discrete latent variables: z;"):
        PyroTarget(discrete)
    with pytest.raises(TargetError, match="plate 'rows' around 'y' subsamples 5 of 10"):
        PyroTarget(subsampled)
    with pytest.raises(TargetError, match="no latent variables"):
        PyroTarget(observed)
    with pytest.raises(TargetError, match="takes a Pyro model, got 3"):
        PyroTarget(3)
