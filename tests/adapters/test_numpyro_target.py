from __future__ import annotations

from collections.abc import Iterator

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

from diffeo.adapters.numpyro import NumPyroTarget
from diffeo.errors import TargetError

numpyro = pytest.importorskip("numpyro", reason="needs the extra: pip install 'diffeo[numpyro]'")
dist = numpyro.distributions


@pytest.fixture
def _x64() -> Iterator[None]:
    numpyro.enable_x64(True)
    yield
    numpyro.enable_x64(False)


def regression(x, y):
    tau = numpyro.sample("tau", dist.HalfNormal(1.0))
    rho = numpyro.sample("rho", dist.Uniform(-1.0, 2.0))
    w = numpyro.sample("w", dist.Dirichlet(CONCENTRATION))
    with numpyro.plate("features", 2):
        b = numpyro.sample("b", dist.Normal(0.0, tau))
    numpyro.deterministic("twice", 2 * b)
    with numpyro.plate("rows", len(y)):
        numpyro.sample("y", dist.Normal(x @ b + 2 * w[GROUP] + rho, 0.7), obs=y)


@pytest.mark.usefixtures("_x64")
def test_it_is_the_density_of_torch():
    target = NumPyroTarget(regression, X, y=Y)
    assert_same_density(target)
    assert_deterministic_value(target)


def test_the_dtype_is_that_of_jax():
    def model():
        numpyro.sample("tau", dist.HalfNormal(1.0))

    target = NumPyroTarget(model)
    assert target.dtype == torch.float32
    z = points(4)[:, :1].float()
    value, gradient = target.value_and_gradient(z)
    assert (value.dtype, gradient.dtype) == (torch.float32, torch.float32)
    assert target.constrain(z)["tau"].dtype == torch.float32


def test_batches_of_any_size_give_the_same_and_few_compile():
    traced = []

    def model():
        traced.append(0)
        numpyro.sample("tau", dist.HalfNormal(1.0))

    target = NumPyroTarget(model)
    z = points(16)[:, :1].float()
    whole = target.log_prob(z)
    for n in (0, 1, 9, 11, 13):
        before = len(traced)
        torch.testing.assert_close(target.log_prob(z[:n]), whole[:n])
        assert (len(traced) > before) == (n < 9)


@pytest.mark.usefixtures("_x64")
def test_supports_may_depend_on_other_sites_and_priors_be_improper():
    def model():
        low = numpyro.sample("low", dist.ImproperUniform(dist.constraints.real, (), ()))
        numpyro.sample("high", dist.Uniform(low, 5.0))

    target = NumPyroTarget(model)
    z = torch.tensor([[-2.0, 0.3], [1.0, -1.0]], dtype=torch.float64)
    width = 5 - z[:, 0]
    share = z[:, 1].sigmoid()
    torch.testing.assert_close(target.constrain(z)["high"], z[:, 0] + width * share)
    # the width of the uniform density and that of the map cancel
    torch.testing.assert_close(target.log_prob(z), (share * (1 - share)).log())


def test_discrete_sites_are_named():
    def model():
        z = numpyro.sample("z", dist.Bernoulli(0.5))
        numpyro.sample("x", dist.Normal(z, 1.0))

    with pytest.raises(TargetError, match="NumPyro model has discrete latent variables: z;"):
        NumPyroTarget(model)


def test_what_is_no_posterior_is_refused():
    def subsampled():
        mu = numpyro.sample("mu", dist.Normal(0.0, 1.0))
        with numpyro.plate("rows", 10, subsample_size=5):
            numpyro.sample("y", dist.Normal(mu, 1.0), obs=1.0)

    def observed():
        numpyro.sample("y", dist.Normal(0.0, 1.0), obs=1.0)

    with pytest.raises(TargetError, match="plate 'rows' subsamples 5 of 10"):
        NumPyroTarget(subsampled)
    with pytest.raises(TargetError, match="no latent variables"):
        NumPyroTarget(observed)
    with pytest.raises(TargetError, match="takes a NumPyro model, got 3"):
        NumPyroTarget(3)
