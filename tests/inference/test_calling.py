"""What a newcomer is told whose log-density is wrong."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Beta, Gamma, HalfCauchy, LKJCholesky, Normal

import diffeo
from diffeo.errors import DataWarning, DtypeError, ShapeError, TargetError
from diffeo.inference import CallableTarget
from diffeo.inference.start import find_start
from diffeo.inference.tails import check_tails

TWO: dict[str, Any] = {"mu": diffeo.real(), "s": diffeo.positive()}
LOOSE: dict[str, Any] = {"mu": diffeo.real(), "s": diffeo.real()}
DATA = torch.tensor([0.3, -1.0, 2.0, 0.7, 1.1])
MATRIX = torch.eye(2, dtype=torch.float64)


def started(function: Any, params: Any = None, dim: int | None = None, **more: Any) -> None:
    """What fit_posterior does before it trains."""
    target = CallableTarget(function, params, dim, **more)
    check_tails(target, find_start(target, torch.Generator().manual_seed(0)).frame())


def for_one_point(v: dict[str, Tensor]) -> Tensor:
    return Normal(v["mu"], v["s"]).log_prob(DATA).sum() - v["mu"] ** 2 - v["s"]


MISTAKES: dict[str, tuple[Callable[..., Any], Any, str]] = {
    "for one point": (for_one_point, TWO, r"batch.*'mu' \(20,\).*torch\.func\.vmap\(log_prob\)"),
    "sums a vector over the batch too": (
        lambda v: -v["theta"].square().sum() - v["mu"].square(),
        {"mu": diffeo.real(), "theta": diffeo.real(3)},
        r"mixes the points of a batch.*\.sum\(-1\)",
    ),
    "centres over the batch": (
        lambda v: -(v["mu"] - v["mu"].mean()).square() - v["s"],
        TWO,
        "mixes the points of a batch",
    ),
    "random": (
        lambda v: -v["mu"].square() - v["s"] + torch.randn(len(v["mu"])),
        TWO,
        "draws random numbers",
    ),
    "an if": (
        lambda v: -v["mu"] if v["s"] > 0 else -math.inf,
        TWO,
        r"torch\.where instead of if",
    ),
    "numpy inside": (lambda v: -np.square(v["mu"].numpy()), TWO, "numpy_target"),
    "numpy returned": (lambda v: np.zeros(20), TWO, "numpy_target"),
    "a name that is not there": (lambda v: v["nu"], TWO, r'KeyError.*values\["mu"\]'),
    "attributes": (lambda v: v.mu, TWO, r'values\["mu"\]'),
    "two arguments": (lambda mu, s: -mu - s, TWO, "one argument: a dictionary"),
    "float64 data": (lambda v: (v["b"] @ MATRIX).sum(-1), {"b": diffeo.real(2)}, r"dtype=torch\.f"),
    "a scale that may be negative": (
        # Pyro, once imported, turns the checks of distributions off for all
        lambda v: Normal(v["mu"], v["s"], validate_args=True).log_prob(torch.tensor(1.0)),
        LOOSE,
        r"diffeo\.positive\(\)",
    ),
    "outside a distribution's support": (
        lambda v: Gamma(2.0, 1.0, validate_args=True).log_prob(v["s"]) - v["mu"].square(),
        LOOSE,
        r"support of the parameter",
    ),
    "a column": (lambda v: -v["mu"].unsqueeze(-1), TWO, r"returned shape \(20, 1\)"),
    "complex": (lambda v: -v["mu"] * 1j, TWO, "complex"),
    "nothing": (lambda v: None, TWO, "returned None"),
    "the gradient of a masked branch": (
        lambda v: torch.where(v["mu"] > -9, -v["mu"].square(), (v["mu"] - 99).sqrt()) - v["s"],
        TWO,
        r"gradient is not.*torch\.where",
    ),
    "one entry without a prior": (
        lambda v: -v["t"][:, 0].square() - v["t"][:, 2].square(),
        {"t": diffeo.real(3)},
        r"does not depend on t\[1\]",
    ),
    "a scale without a prior": (lambda v: -v["mu"].square() + 0 * v["s"], TWO, "as|proper.* s "),
    "only a sum is known": (
        lambda v: -(v["mu"] + v["s"]).square(),
        LOOSE,
        "improper",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_explained(name: str) -> None:
    function, params, words = MISTAKES[name]
    with pytest.raises(TargetError, match=words) as caught:
        started(function, params)
    assert len(str(caught.value)) < 700


def test_changes_in_place_are_explained() -> None:
    with pytest.raises(TargetError, match="make new tensors"):
        started(lambda x: -x.mul_(2).sum(-1), dim=2)


def test_the_error_of_the_function_is_the_cause() -> None:
    with pytest.raises(TargetError, match="ZeroDivisionError: division by zero") as caught:
        started(lambda x: x.sum(-1) / (1 / 0), dim=2)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_vmap_is_the_remedy_that_it_is_said_to_be() -> None:
    each = torch.func.vmap(for_one_point)
    together = CallableTarget(each, TWO)
    by_hand = CallableTarget(
        lambda v: (
            Normal(v["mu"].unsqueeze(-1), v["s"].unsqueeze(-1)).log_prob(DATA).sum(-1)
            - v["mu"] ** 2
            - v["s"]
        ),
        TWO,
    )
    z = torch.randn(7, 2, generator=torch.Generator().manual_seed(0))
    for found, wanted in zip(
        together.value_and_gradient(z), by_hand.value_and_gradient(z), strict=True
    ):
        torch.testing.assert_close(found, wanted)
    started(each, TWO)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_function_is_called_with_the_dtype_asked_for_and_no_other(dtype: torch.dtype) -> None:
    seen = set()
    matrix = torch.tensor([[2.0, 0.5], [0.5, 1.0]], dtype=dtype)

    def log_prob(x: Tensor) -> Tensor:
        seen.add(x.dtype)
        return -((x @ matrix) * x).sum(-1)

    post = diffeo.fit_posterior(log_prob, dim=2, dtype=dtype, max_gradients=5_000, progress=False)
    assert seen == {dtype}
    truth = math.log(math.pi) - math.log(1.75) / 2
    assert abs(post.quality.log_evidence - truth) < 1e-3


def test_a_density_that_is_zero_at_many_points_is_worth_a_word() -> None:
    with pytest.warns(DataWarning, match=r"at 45% of 20 random points, such as .*s=-"):
        started(
            lambda v: (
                torch.where(v["s"] > 0, v["s"].clamp(min=1e-9).log() - v["s"], -torch.inf)
                - v["mu"].square()
            ),
            LOOSE,
        )


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"params": {"a": diffeo.real}}, ShapeError, r"call it: real\(\)"),
        ({"params": {"a": (diffeo.real(), 3)}}, ShapeError, r"such as \(4,\)"),
        ({"params": {"a": diffeo.integers(0, 4)}}, ShapeError, "'a' is discrete"),
        ({"params": ["a"]}, ShapeError, "dictionary"),
        ({"dim": 2.0}, ValueError, "whole number"),
        ({"dim": 2, "dtype": "float64"}, DtypeError, r"torch\.float64"),
        ({"dim": 2, "dtype": torch.int64}, DtypeError, r"torch\.float64"),
        ({"dim": 2, "max_gradients": 1e5}, ValueError, "whole number"),
        ({"dim": 2, "max_time": "3"}, ValueError, "seconds"),
        ({"dim": 2, "seed": None}, ValueError, "seed"),
    ],
)
def test_arguments_of_the_wrong_kind(arguments: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        diffeo.fit_posterior(lambda x: -x.square().sum(-1), **arguments, progress=False)


def test_what_is_no_function_is_named() -> None:
    with pytest.raises(TargetError, match=r"diffeo\.adapters"):
        diffeo.fit_posterior("normal", dim=2)  # type: ignore[arg-type]


EDGES: dict[str, tuple[Any, Any]] = {
    "half-Cauchy": (lambda v: HalfCauchy(1.0).log_prob(v["a"]), diffeo.positive()),
    "exponential": (lambda v: -v["a"], diffeo.positive()),
    "log-normal": (lambda v: -v["a"].log().square() / 18 - v["a"].log(), diffeo.positive()),
    "Jeffreys": (lambda v: Beta(0.5, 0.5).log_prob(v["a"]), diffeo.interval(0, 1)),
    "Dirichlet": (
        lambda v: torch.distributions.Dirichlet(torch.full((4,), 0.2)).log_prob(v["a"]),
        diffeo.simplex(4),
    ),
    "LKJ": (lambda v: LKJCholesky(3, 2.0).log_prob(v["a"]), diffeo.corr_cholesky(3)),
    "LKJ that is singular at the edge": (
        lambda v: LKJCholesky(3, 0.5).log_prob(v["a"]),
        diffeo.corr_cholesky(3),
    ),
    "ordered scales": (lambda v: -v["a"].sum(-1), diffeo.positive_ordered(3)),
    "angle": (lambda v: 3 * v["a"].cos(), diffeo.circle()),
}


@pytest.mark.parametrize("name", EDGES)
def test_priors_that_float32_rounds_onto_their_bounds_are_proper(name: str) -> None:
    function, support = EDGES[name]
    started(function, {"a": support}, dtype=torch.float32)


def test_values_never_round_onto_a_bound() -> None:
    """A density may be infinite there, as that of Beta(1/2, 1/2) is."""
    declared = {"share": diffeo.interval(0, 1), "below": diffeo.interval(-2, 0)}
    target = CallableTarget(lambda v: v["share"] - v["below"], {**declared, "s": diffeo.simplex(3)})
    for far in (-500.0, 500.0):
        values = target.constrain(torch.full((1, 4), far))
        assert 0 < float(values["share"]) < 1
        assert -2 < float(values["below"]) < 0
        assert bool((values["s"] > 0).all())


@pytest.mark.parametrize("seed", range(5))
def test_a_ring_of_eight(seed: int) -> None:
    angles = torch.arange(8) * math.pi / 4
    centres = 4 * torch.stack([angles.cos(), angles.sin()], -1)

    def log_prob(x: Tensor) -> Tensor:
        away = (x.unsqueeze(1) - centres.to(x)) / 0.3
        return torch.logsumexp(-away.square().sum(-1) / 2, -1)

    start = find_start(CallableTarget(log_prob, dim=2), torch.Generator().manual_seed(seed))
    nearest = torch.cdist(start.normals.mean, centres.double()).min(0)
    assert float(nearest.values.max()) < 0.05
    torch.testing.assert_close(
        start.log_weights.exp(), torch.full((8,), 1 / 8).double(), rtol=0.1, atol=0
    )


@pytest.fixture
def short_chains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("diffeo.inference.posterior.WARMUP", 40)
    monkeypatch.setattr("diffeo.inference.posterior.DOUBLINGS", 0)


@pytest.fixture
def double_by_default() -> Any:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def two_modes(x: Tensor) -> Tensor:
    away = torch.stack([x - 4, x + 4]).square().sum(-1)
    return torch.logsumexp(-away / 2, 0) + 0.3 * x[:, 0].sin()


@pytest.mark.filterwarnings("ignore:fit_posterior:diffeo.errors.DataWarning")
@pytest.mark.usefixtures("double_by_default", "short_chains")
def test_torch_may_have_another_default_dtype() -> None:
    post = diffeo.fit_posterior(two_modes, dim=2, max_gradients=40_000, progress=False)
    assert post.sample(10)["x"].dtype == torch.float64
    assert bool(post.mcmc(20).draws["x"].isfinite().all())
    assert next(post.approximation.flow.parameters()).dtype == torch.float32


@pytest.mark.filterwarnings("ignore:fit_posterior:diffeo.errors.DataWarning")
@pytest.mark.usefixtures("short_chains")
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_gradients_are_found_where_the_caller_wants_none(mode: Any) -> None:
    with mode():
        post = diffeo.fit_posterior(
            lambda x: -(x.square().sum(-1)) + x[:, 0].sin(),
            dim=2,
            max_gradients=60_000,
            progress=False,
        )
        chains = post.mcmc(20)
    assert post.history
    assert float(chains.chains.rhat.max()) < 1.2
