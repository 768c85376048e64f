"""Student-t bases: learned and predicted degrees of freedom, the full scale matrix."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch import distributions as td

import diffeo
from diffeo.audit import perturbed
from diffeo.bases import MultivariateStudentT, StudentT
from diffeo.errors import ContextError, ShapeError
from diffeo.transforms import Triangular

SCALE = torch.tensor([[2.0, 0.5, 0.1], [0.5, 1.0, -0.3], [0.1, -0.3, 0.7]])
LOC = torch.tensor([1.0, -2.0, 0.5])


def test_learned_df_start_where_they_are_told_and_stay_above_a_half() -> None:
    base = StudentT(3, [0.7, 3.0, 40.0], learned=True)
    torch.testing.assert_close(base.freedom(), torch.tensor([0.7, 3.0, 40.0]))
    assert [name for name, _ in base.named_parameters()] == ["raw_df"]
    for raw, expected in (
        (-1e30, [0.5002, 0.5025, 0.5395]),
        (1e30, [200.5, 2500.5, 39500.5]),
    ):
        with torch.no_grad():
            base.raw_df.fill_(raw)
        torch.testing.assert_close(base.freedom().detach(), torch.tensor(expected))
        assert bool(base.log_prob(torch.full((3,), 1e6)).isfinite())


def test_fixed_df_are_as_before() -> None:
    """The names in files of version 0.1 hold, and nothing is trained."""
    base = StudentT(2, 3.0)
    assert list(base.state_dict()) == ["df"]
    assert list(base.parameters()) == []
    assert base.freedom() is base.df


def test_learned_log_prob_is_torchs_at_its_df() -> None:
    base = perturbed(StudentT(3, [0.7, 3.0, 40.0], learned=True)).double()
    x = torch.randn(50, 3, dtype=torch.float64) * 10
    df = base.freedom().detach()
    assert bool(((df - base.df).abs() > 1e-3).all())
    torch.testing.assert_close(base.log_prob(x), td.StudentT(df).log_prob(x).sum(-1))


@pytest.mark.parametrize("make", [StudentT, MultivariateStudentT])
def test_gradients_of_log_prob_match_finite_differences(make: Callable[..., StudentT]) -> None:
    base = perturbed(make(2, 3.0, learned=True)).double()
    x = torch.tensor([[0.3, -2.0], [50.0, 1.0]], dtype=torch.float64)

    def log_prob(raw: Tensor) -> Tensor:
        return torch.func.functional_call(base, {"raw_df": raw}, (x,))

    assert torch.autograd.gradcheck(log_prob, (base.raw_df.detach().clone().requires_grad_(),))


def _expectation(df: float) -> float:
    """E log(1 + x^2) for x ~ t_df, by quadrature over tan."""
    angle = torch.linspace(-math.pi / 2, math.pi / 2, 200_001, dtype=torch.float64)[1:-1]
    x = angle.tan()
    density = td.StudentT(torch.tensor(df, dtype=torch.float64)).log_prob(x).exp()
    return float(torch.trapezoid(density * torch.log1p(x * x) * (1 + x * x), angle))


@pytest.mark.parametrize("df", [1.5, 4.0])
@pytest.mark.parametrize("make", [StudentT, MultivariateStudentT])
def test_samples_carry_the_gradient_of_an_expectation(
    make: Callable[..., StudentT], df: float
) -> None:
    base = make(1, df, learned=True).double()
    value = torch.log1p(base.rsample(400_000, seed=0).square()).mean()
    assert float(value.detach()) == pytest.approx(_expectation(df), rel=0.01)
    (found,) = torch.autograd.grad(value, [base.raw_df])
    slope = (_expectation(df + 1e-3) - _expectation(df - 1e-3)) / 2e-3
    # at the start the derivative of df by its raw value is df - 1/2
    assert float(found) == pytest.approx((df - 0.5) * slope, rel=0.03)


@pytest.mark.parametrize("make", [StudentT, MultivariateStudentT])
def test_gradients_of_samples_are_finite_at_the_heaviest_tails(
    make: Callable[..., StudentT],
) -> None:
    base = make(1, 0.51, learned=True)
    x = base.rsample(100_000, seed=0)
    assert bool(x.isfinite().all() and base.log_prob(x.detach()).isfinite().all())
    x.abs().log1p().sum().backward()
    assert base.raw_df.grad is not None
    assert bool(base.raw_df.grad.isfinite().all())


def test_tails_are_learned_feature_by_feature() -> None:
    truth = torch.tensor([1.5, 6.0])
    x = StudentT(2, truth).sample(40_000, seed=1)
    base = StudentT(2, 3.0, learned=True)
    optimizer = torch.optim.LBFGS(base.parameters(), max_iter=30, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        mean = -base.log_prob(x).mean()
        mean.backward()
        return mean

    optimizer.step(loss)
    torch.testing.assert_close(base.freedom().detach(), truth, rtol=0.06, atol=0)


def test_df_predicted_from_context() -> None:
    fresh, x, c = StudentT(2, 3.0, context=4, hidden=(8,)), torch.randn(5, 2), torch.randn(5, 4)
    torch.testing.assert_close(fresh.log_prob(x, c), StudentT(2, 3.0).log_prob(x))
    for learned in (False, True):
        base = perturbed(StudentT(2, 3.0, learned=learned, context=4, hidden=(8,)))
        df = base.freedom(c).detach()
        assert df.shape == (5, 2)
        assert float(df.std(0).min()) > 0.05
        expected = td.StudentT(df).log_prob(x).sum(-1)
        torch.testing.assert_close(base.log_prob(x, c), expected, rtol=1e-5, atol=1e-5)
        draws = base.sample(40_000, c, seed=0)
        assert draws.shape == (40_000, 5, 2)
        quarters = torch.tensor([0.25, 0.75])
        reference = td.StudentT(df).sample((40_000,)).quantile(quarters, dim=0)
        torch.testing.assert_close(draws.quantile(quarters, dim=0), reference, atol=0.04, rtol=0.03)
    with pytest.raises(ContextError, match="StudentT"):
        base.sample(2)


def _multivariate(x: Tensor, df: float, loc: Tensor, scale: Tensor) -> Tensor:
    """log-density by its formula, in float64."""
    x, loc, scale = x.double(), loc.double(), scale.double()
    size, rest = len(loc), x - loc
    form = (rest @ scale.inverse() * rest).sum(-1)
    constant = math.lgamma((df + size) / 2) - math.lgamma(df / 2)
    constant -= size / 2 * math.log(df * math.pi) + 0.5 * float(scale.logdet())
    return constant - (df + size) / 2 * torch.log1p(form / df)


@pytest.mark.parametrize("learned", [False, True])
def test_multivariate_log_prob_is_its_formula(learned: bool) -> None:
    base = MultivariateStudentT(3, 2.5, LOC, SCALE, learned=learned)
    x = torch.randn(200, 3) * 20
    found = base.log_prob(x).double()
    torch.testing.assert_close(found, _multivariate(x, 2.5, LOC, SCALE), rtol=1e-5, atol=1e-5)


def test_multivariate_samples_have_the_covariance_and_a_common_tail() -> None:
    base = MultivariateStudentT(3, 6.0, LOC, SCALE)
    x = base.sample(100_000, seed=0)
    torch.testing.assert_close(x.median(0).values, LOC, atol=0.02, rtol=0)
    torch.testing.assert_close(x.T.cov(), SCALE * 6 / 4, atol=0.08, rtol=0)
    z = torch.linalg.solve_triangular(torch.linalg.cholesky(SCALE), (x - LOC).T, upper=False)
    # independent Student-t variables would have squares without correlation
    squares = torch.stack([z[0].abs(), z[1].abs()])
    assert float(torch.corrcoef(squares)[0, 1]) > 0.1
    each = td.StudentT(6.0).sample((100_000,))
    levels = torch.tensor([0.05, 0.25, 0.75, 0.95])
    torch.testing.assert_close(z[1].quantile(levels), each.quantile(levels), atol=0.06, rtol=0.03)


def test_multivariate_in_one_dimension_is_the_univariate() -> None:
    x = torch.randn(9, 1, dtype=torch.float64)
    found = MultivariateStudentT(1, 2.0).double().log_prob(x)
    torch.testing.assert_close(found, StudentT(1, 2.0).double().log_prob(x))


def test_large_df_are_normal() -> None:
    x = torch.randn(9, 3)
    base = MultivariateStudentT(3, 1e5, LOC, SCALE).double()
    expected = td.MultivariateNormal(LOC.double(), SCALE.double()).log_prob(x.double())
    torch.testing.assert_close(base.log_prob(x.double()), expected, atol=1e-2, rtol=0)


def test_far_out_and_infinity() -> None:
    base = MultivariateStudentT(2, 2.0)
    x = torch.tensor([[1e30, 1.0], [torch.inf, 0.0], [torch.nan, torch.inf]])
    found = base.log_prob(x)
    # the tail falls as |x|^-(df + D)
    constant = 2 * math.log(2) - math.log(2 * math.pi)
    assert float(found[0]) == pytest.approx(constant - 4 * math.log(1e30), rel=1e-5)
    assert float(found[1]) == -math.inf
    assert math.isnan(float(found[2]))


def test_learned_multivariate_fits_location_scale_and_tail() -> None:
    x = MultivariateStudentT(2, 2.0, [3.0, -1.0], [[2.0, 0.8], [0.8, 1.0]]).sample(20_000, seed=0)
    base = MultivariateStudentT(2, 5.0, learned=True)
    optimizer = torch.optim.LBFGS(base.parameters(), max_iter=60, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        mean = -base.log_prob(x).mean()
        mean.backward()
        return mean

    optimizer.step(loss)
    assert float(base.freedom().detach()) == pytest.approx(2.0, rel=0.06)
    torch.testing.assert_close(base.loc.detach(), torch.tensor([3.0, -1.0]), atol=0.05, rtol=0)


def test_a_flow_keeps_the_tails_of_its_base() -> None:
    """A Lipschitz flow of a normal has normal tails; that of a Student t has t tails."""
    flow = diffeo.Flow(StudentT(1, 2.0), Triangular(1)).double()
    far = torch.tensor([[1e4], [1e5]], dtype=torch.float64)
    drop = flow.log_prob(far).detach().diff()
    assert float(drop) == pytest.approx(-3 * math.log(10), rel=1e-4)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: StudentT(2, 0.5, learned=True), ValueError, "start above 0.5, got"),
        (lambda: StudentT(2, 0.3, context=2), ValueError, "learned or predicted must start above"),
        (lambda: MultivariateStudentT(2, 0.0), ValueError, "MultivariateStudentT: df must be pos"),
        (lambda: MultivariateStudentT(2, 0.2, learned=True), ValueError, "start above 0.5"),
        (lambda: MultivariateStudentT(2, [1.0, 2.0]), ShapeError, r"df must be one number.*\(2,\)"),
        (
            lambda: MultivariateStudentT(2, scale=torch.eye(3)),
            ShapeError,
            r"scale must have shape \(2, 2\), got \(3, 3\)",
        ),
        (lambda: MultivariateStudentT(2, scale=-torch.eye(2)), ValueError, "scale must be symmet"),
    ],
)
def test_bad_arguments(call: Callable[[], object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
