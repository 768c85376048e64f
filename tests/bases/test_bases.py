"""Bases against torch.distributions, with context, dtypes and bad arguments."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import distributions as td

import diffeo
from diffeo.audit import perturbed
from diffeo.bases import (
    BoxUniform,
    DiagonalNormal,
    GaussianMixture,
    MultivariateNormal,
    StandardNormal,
    StudentT,
)
from diffeo.density import Density
from diffeo.errors import ContextError, ShapeError

COVARIANCE = torch.tensor([[2.0, 0.5, 0.1], [0.5, 1.0, -0.3], [0.1, -0.3, 0.7]])
LOC = torch.tensor([1.0, -2.0, 0.5])


def _mixture(base: GaussianMixture) -> td.Distribution:
    parts = td.Independent(td.Normal(base.loc, base.log_scale.exp()), 1)
    return td.MixtureSameFamily(td.Categorical(logits=base.logits), parts)


def _pairs() -> list[tuple[Density, td.Distribution]]:
    mixture = perturbed(GaussianMixture(3, 4, seed=0)).double()
    df = torch.tensor([0.7, 3.0, 40.0])
    scale = torch.tensor([1.0, 2.0, 0.1])
    normal = td.MultivariateNormal(LOC, COVARIANCE)
    box = td.Uniform(LOC, LOC + 2, validate_args=False)
    return [
        (StandardNormal(3), td.Independent(td.Normal(torch.zeros(3), 1.0), 1)),
        (DiagonalNormal(3, LOC, scale), td.Independent(td.Normal(LOC, scale), 1)),
        (MultivariateNormal(3, LOC, COVARIANCE), normal),
        (MultivariateNormal(3, LOC, COVARIANCE, learned=True), normal),
        (StudentT(3, df), td.Independent(td.StudentT(df), 1)),
        (BoxUniform(3, LOC, LOC + 2), td.Independent(box, 1)),
        (mixture, _mixture(mixture)),
    ]


@pytest.mark.parametrize(("base", "reference"), _pairs(), ids=lambda v: type(v).__name__)
def test_log_prob_and_moments_match_torch(base: Density, reference: td.Distribution) -> None:
    like = base.like.dtype
    x = reference.sample((500,)).to(like)
    expected = reference.log_prob(x)
    torch.testing.assert_close(base.log_prob(x), expected, rtol=1e-5, atol=1e-5)
    mine, theirs = base.sample(40_000, seed=0), reference.sample((40_000,)).to(like)
    # quartiles, because a Student t may have no moments
    quarters = torch.tensor([0.25, 0.5, 0.75], dtype=like)
    torch.testing.assert_close(
        mine.quantile(quarters, dim=0), theirs.quantile(quarters, dim=0), atol=0.06, rtol=0.03
    )


def test_a_covariance_shows_in_the_samples() -> None:
    x = MultivariateNormal(3, LOC, COVARIANCE).sample(50_000, seed=0)
    torch.testing.assert_close(x.T.cov(), COVARIANCE, atol=0.05, rtol=0)


def test_a_diagonal_normal_predicted_from_context() -> None:
    base = perturbed(DiagonalNormal(2, 1.0, 0.5, context=3, hidden=(16, 16)))
    c = torch.randn(4, 3)
    x = base.sample(20_000, c, seed=0)
    assert x.shape == (20_000, 4, 2)
    reference = td.Independent(td.Normal(x.mean(0), x.std(0)), 1)
    torch.testing.assert_close(
        base.log_prob(x[:50], c), reference.log_prob(x[:50]), atol=0.1, rtol=0.02
    )
    assert float((x.mean(0)[0] - x.mean(0)[1]).abs().max()) > 0.01
    with pytest.raises(ContextError, match=r"DiagonalNormal.*\(\*batch, 3\), but got none"):
        base.sample(2)


def test_a_predicted_normal_starts_as_the_fixed_one() -> None:
    base = DiagonalNormal(2, [1.0, 2.0], 0.5, context=3)
    x, c = torch.randn(5, 2), torch.randn(5, 3)
    torch.testing.assert_close(base.log_prob(x, c), DiagonalNormal(2, [1.0, 2.0], 0.5).log_prob(x))


def test_a_score_at_many_contexts_is_one_for_each() -> None:
    base = perturbed(DiagonalNormal(2, context=3, hidden=(16,)))
    x, c = torch.randn(5, 1, 2), torch.randn(4, 3)
    score = base.score(x, c)
    assert score.shape == (5, 4, 2)
    torch.testing.assert_close(score[2, 3], base.score(x[2, 0], c[3]))


def test_the_score_of_a_constant_density_is_zero() -> None:
    assert torch.equal(BoxUniform(2).score(torch.rand(5, 2)), torch.zeros(5, 2))


@pytest.mark.parametrize("make", [StandardNormal, MultivariateNormal, StudentT, BoxUniform])
def test_infinity_has_density_zero_and_nan_stays(make: Callable[[int], Density]) -> None:
    x = torch.full((3, 2), 0.5)
    x[0, 0], x[1, 1], x[2] = torch.inf, -torch.inf, torch.tensor([torch.nan, torch.inf])
    found = make(2).log_prob(x)
    assert found[:2].tolist() == [-torch.inf] * 2
    assert math.isnan(float(found[2]))


@pytest.mark.parametrize(
    "make", [lambda: GaussianMixture(2), lambda: diffeo.Mixture(diffeo.NSF(2))]
)
def test_no_samples_are_no_samples(make: Callable[[], Density]) -> None:
    assert make().sample(0).shape == (0, 2)


def test_bounds_move_with_the_dtype() -> None:
    """normflows 1.7.3 keeps a uniform's bounds as plain tensors; nflows cannot sample doubles."""
    base = BoxUniform(2, -1.0, 1.0).double()
    assert base.sample(3).dtype == base.log_prob(base.sample(3)).dtype == torch.float64
    assert diffeo.RealNVP(2, hidden=(4,)).double().sample(3).dtype == torch.float64


def test_tiny_degrees_of_freedom_stay_finite() -> None:
    base = StudentT(1, 1e-3)
    x, log_prob = base.rsample_and_log_prob(1000, seed=0)
    assert not bool(x.isnan().any() or log_prob.isnan().any())


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: DiagonalNormal(2, [1.0, 2.0, 3.0]), ShapeError, r"one number or 2.*\(3,\)"),
        (lambda: DiagonalNormal(2, scale=-1.0), ValueError, "must be positive"),
        (
            lambda: MultivariateNormal(2, covariance=torch.ones(3, 3)),
            ShapeError,
            r"\(2, 2\), got \(3, 3\)",
        ),
        (lambda: MultivariateNormal(2, covariance=-torch.eye(2)), ValueError, "positive definite"),
        (lambda: StudentT(2, 0.0), ValueError, "df must be positive"),
        (lambda: BoxUniform(1, 1.0, 1.0), ValueError, "low < high"),
        (lambda: GaussianMixture(2, 0), ValueError, "at least 1 component"),
        (lambda: StandardNormal(0), ShapeError, "whole number >= 1"),
    ],
)
def test_bad_arguments(call: Callable[[], object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
