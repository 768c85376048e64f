"""From a log-density to named draws: right answers, honest ones, and bad input."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import pytest
import torch
from exact_targets import Normal as Exact
from exact_targets import funnel, three_modes
from torch import Tensor
from torch.distributions import Dirichlet, LKJCholesky, Normal

import diffeo
from diffeo.errors import DataWarning, ModelFileError, ShapeError, TargetError
from diffeo.inference import CallableTarget, Posterior, numpy_target

# where the verdict is not what is tested
ANY_VERDICT = pytest.mark.filterwarnings("ignore:fit_posterior:diffeo.errors.DataWarning")
SMALL: dict[str, Any] = {"max_gradients": 60_000, "progress": False}


@pytest.fixture(scope="module")
def conjugate() -> tuple[Posterior, float, float, float]:
    """A normal mean with a normal prior, its exact mean, sd and log-evidence."""
    y = torch.tensor([1.2, 0.4, 2.1, 1.6], dtype=torch.float64)

    def log_prob(v: dict[str, Tensor]) -> Tensor:
        return Normal(v["mu"].unsqueeze(-1), 1.0).log_prob(y).sum(-1) + Normal(0.0, 2.0).log_prob(
            v["mu"]
        )

    post = diffeo.fit_posterior(log_prob, {"mu": diffeo.real()}, dtype=torch.float64, **SMALL)
    variance = 1 / (len(y) + 1 / 4)
    covariance = torch.eye(4, dtype=torch.float64) + 4
    joint = torch.distributions.MultivariateNormal(torch.zeros(4, dtype=torch.float64), covariance)
    return post, float(y.sum()) * variance, math.sqrt(variance), float(joint.log_prob(y))


def test_a_conjugate_model(conjugate: Any) -> None:
    post, mean, sd, evidence = conjugate
    assert post.quality.good
    assert abs(post.quality.log_evidence - evidence) < 0.01
    for draws in (post.sample(20_000, seed=0), post.resample(20_000, seed=0)):
        assert abs(float(draws["mu"].mean()) - mean) < 0.02 * sd * 5
        assert abs(float(draws["mu"].std()) / sd - 1) < 0.03


def test_the_report_says_what_it_must(conjugate: Any) -> None:
    text = repr(conjugate[0])
    for word in ("ELBO", "log-evidence", "k-hat", "ESS", "verdict", "gradients", " s", "+-", "mu"):
        assert word in text


def test_its_density_is_normalised(conjugate: Any) -> None:
    x = torch.linspace(-3, 5, 4001, dtype=torch.float64)
    density = conjugate[0].log_prob({"mu": x}).exp()
    assert abs(float(torch.trapezoid(density, x)) - 1) < 1e-4


@ANY_VERDICT
def test_a_positive_parameter_has_its_density_by_the_parameter() -> None:
    post = diffeo.fit_posterior(
        lambda v: 2 * v["s"].log() - v["s"], {"s": diffeo.positive()}, **SMALL
    )
    s = torch.linspace(1e-3, 40, 20_001, dtype=torch.float64)
    density = post.log_prob({"s": s}).exp()
    assert abs(float(torch.trapezoid(density, s)) - 1) < 1e-2
    assert abs(post.quality.log_evidence - math.log(2)) < 0.01  # Gamma(3)
    assert abs(float(post.resample(20_000, seed=0)["s"].mean()) - 3) < 0.1


@ANY_VERDICT
def test_priors_on_every_support_come_back() -> None:
    params = {
        "simplex": diffeo.simplex(3),
        "correlation": diffeo.corr_cholesky(3),
        "ordered": diffeo.ordered(2),
        "share": diffeo.interval(-1, 3),
        "scales": (diffeo.positive(), (2,)),
    }

    def log_prob(v: dict[str, Tensor]) -> Tensor:
        return (
            Dirichlet(torch.tensor([2.0, 3.0, 4.0])).log_prob(v["simplex"])
            + LKJCholesky(3, 2.0).log_prob(v["correlation"])
            + Normal(0.0, 1.0).log_prob(v["ordered"]).sum(-1)
            + 0 * v["share"]
            - v["scales"].sum(-1)
        )

    post = diffeo.fit_posterior(log_prob, params, max_gradients=150_000, progress=False)
    draws = post.resample(20_000, seed=0)
    mean = draws["simplex"].mean(0)
    torch.testing.assert_close(mean, torch.tensor([2.0, 3.0, 4.0]).double() / 9, rtol=0, atol=0.01)
    factor = draws["correlation"]
    assert factor.shape[1:] == (3, 3)
    torch.testing.assert_close(
        (factor @ factor.mT).diagonal(dim1=1, dim2=2), torch.ones(20_000, 3).double()
    )
    assert bool((draws["ordered"][:, 1] > draws["ordered"][:, 0]).all())
    assert abs(float(draws["share"].mean()) - 1) < 0.05
    assert abs(float(draws["share"].std()) - 4 / math.sqrt(12)) < 0.05
    torch.testing.assert_close(draws["scales"].mean(0), torch.ones(2).double(), rtol=0, atol=0.06)
    # the ordered pair has half of the plane, the share a width of 4
    assert abs(post.quality.log_evidence - math.log(4 / 2)) < 0.05


def test_three_modes_are_all_there() -> None:
    post = diffeo.fit_posterior(three_modes, dim=2, **SMALL)
    x = post.sample(10_000, seed=0)["x"]
    shares = torch.stack([(x[:, 0] < -2), (x[:, 0] > 2), (x[:, 1] > 3)]).double().mean(1)
    torch.testing.assert_close(shares, torch.tensor([0.6, 0.3, 0.1]).double(), rtol=0, atol=0.03)
    assert abs(post.quality.log_evidence) < 0.02


def test_a_start_that_is_exact_is_left_alone() -> None:
    post = diffeo.fit_posterior(Exact(20, 1e4).target(), progress=False)
    assert post.history == []
    assert abs(post.quality.log_evidence) < 1e-3
    assert post.quality.good


@pytest.mark.slow
@ANY_VERDICT
def test_the_funnel() -> None:
    post = diffeo.fit_posterior(funnel, dim=10, progress=False)
    assert abs(post.quality.log_evidence) < 0.1
    assert post.quality.khat < 0.7
    assert post.mcmc().mixed


def test_numpy_gives_the_same_as_torch() -> None:
    by_numpy = numpy_target(lambda x: (-(x**2).sum(-1) / 2, -x), dim=2)
    post = diffeo.fit_posterior(by_numpy, **SMALL)
    assert abs(post.quality.log_evidence - math.log(2 * math.pi)) < 1e-3


@ANY_VERDICT
def test_a_seed_repeats_and_the_global_generator_is_left_alone() -> None:
    def fit(seed: int) -> Tensor:
        post = diffeo.fit_posterior(
            lambda v: 2 * v["s"].log() - v["s"], {"s": diffeo.positive()}, seed=seed, **SMALL
        )
        return post.sample(5, seed=0)["s"]

    torch.manual_seed(3)
    state = torch.random.get_rng_state()
    first = fit(0)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(first, fit(0))
    assert not torch.equal(first, fit(1))


def test_a_small_budget_is_kept_and_its_result_is_judged() -> None:
    target = CallableTarget(funnel, dim=10, dtype=torch.float64)
    with pytest.warns(DataWarning, match="do not rely on it"):
        post = diffeo.fit_posterior(target, max_gradients=15_000, progress=False)
    assert not post.quality.good
    # climbers and the check have gradients of their own
    assert post.cost.gradients < 100_000


@ANY_VERDICT
def test_time_is_kept() -> None:
    start = time.monotonic()
    diffeo.fit_posterior(
        lambda v: 2 * v["s"].log() - v["s"], {"s": diffeo.positive()}, max_time=0.5, progress=False
    )
    assert time.monotonic() - start < 30


def test_chains_of_both_kinds_agree_with_the_truth(conjugate: Any) -> None:
    post, mean, sd, _ = conjugate
    for method in ("hmc", "independence"):
        chains = post.mcmc(300, method=method, seed=0)
        assert chains.mixed
        assert chains.draws["mu"].shape == chains.chains.draws.shape[:2]
        assert abs(float(chains.draws["mu"].mean()) - mean) < 0.1 * sd
    with pytest.raises(ValueError, match="'hmc' or 'independence'"):
        post.mcmc(method="nuts")


def test_files(conjugate: Any, tmp_path: Any) -> None:
    post = conjugate[0]
    path = tmp_path / "post.safetensors"
    post.save(path)
    again = Posterior.load(path)
    assert repr(again) == repr(post)
    assert torch.equal(again.sample(7, seed=1)["mu"], post.sample(7, seed=1)["mu"])
    assert torch.equal(again.resample(7, seed=1)["mu"], post.resample(7, seed=1)["mu"])
    with pytest.raises(TargetError, match="hand it over"):
        again.mcmc()
    assert Posterior.load(path, post.target).mcmc(50).draws["mu"].ndim == 2
    with pytest.raises(ModelFileError, match="dimensions"):
        Posterior.load(path, CallableTarget(funnel, dim=10))
    model = tmp_path / "model.safetensors"
    with pytest.raises(ModelFileError, match=r"Posterior\.load"):
        diffeo.load(path)
    diffeo.NSF(2).save(model)
    with pytest.raises(ModelFileError, match="no posterior"):
        Posterior.load(model)


def test_arviz_reads_the_draws(conjugate: Any) -> None:
    pytest.importorskip("arviz")
    data = conjugate[0].to_arviz(100)
    assert data.posterior["mu"].shape == (1, 100)


# -- bad input -----------------------------------------------------------------------------------

ONE: dict[str, Any] = {"x": diffeo.real()}
BAD: dict[str, tuple[Any, Any, str]] = {
    "NaN everywhere": (lambda v: v["x"] * torch.nan, ONE, "-inf or NaN"),
    "constant": (lambda v: 0 * v["x"], ONE, "improper|does not depend"),
    "infinite": (lambda v: v["x"] + torch.inf, ONE, r"\+inf"),
    "summed": (lambda v: -v["x"].square().sum(), ONE, "one number for each"),
    "a column": (lambda v: -v["x"].square().unsqueeze(-1), ONE, "one number for each"),
    "numpy": (lambda v: np.asarray(v["x"].detach()), ONE, "numpy"),
    "one point": (
        lambda v: -(v["x"][0] ** 2) - v["y"] ** 2,
        {"x": diffeo.real(), "y": diffeo.real()},
        "another|batch",
    ),
    "a name that is not there": (lambda v: v["z"], ONE, "log_prob raised KeyError"),
    "improper": (lambda v: v["x"], ONE, "improper"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_log_densities_are_explained(name: str) -> None:
    function, params, words = BAD[name]
    with pytest.raises(TargetError, match=words):
        diffeo.fit_posterior(function, params, **SMALL)


@ANY_VERDICT
def test_a_support_that_the_density_contradicts_is_named() -> None:
    def log_prob(v: dict[str, Tensor]) -> Tensor:
        return 2 * v["s"].log() - v["s"]

    with pytest.warns(DataWarning, match=r"s=-.*diffeo\.positive\(\)"):
        diffeo.fit_posterior(log_prob, {"s": diffeo.real()}, **SMALL)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({}, ShapeError),
        ({"dim": 2, "params": ONE}, ShapeError),
        ({"dim": 1, "max_gradients": 0}, ValueError),
        ({"dim": 1, "max_time": -1.0}, ValueError),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        diffeo.fit_posterior(lambda x: -x.square().sum(-1), **arguments)


def test_a_target_keeps_its_own_parameters() -> None:
    with pytest.raises(TargetError, match="leave out"):
        diffeo.fit_posterior(Exact(2, 2.0).target(), dim=2)
