"""Improper posteriors are refused, heavy tails are not."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import diffeo
from diffeo.errors import TargetError
from diffeo.inference import CallableTarget
from diffeo.inference.gaussian import Gaussian
from diffeo.inference.tails import check_tails

POSITIVE = {"tau": diffeo.positive()}
IMPROPER: dict[str, tuple[Any, Any]] = {
    "flat": (lambda v: 0 * v["x"], {"x": diffeo.real()}),
    "rising": (lambda v: v["x"], {"x": diffeo.real()}),
    "one over": (lambda v: -(1 + v["x"].square()).log() / 2, {"x": diffeo.real()}),
    "flat scale": (lambda v: 0 * v["tau"], POSITIVE),
    "flat log-scale": (lambda v: -v["tau"].log(), POSITIVE),
}
PROPER: dict[str, tuple[Any, Any]] = {
    "normal": (lambda v: -v["x"].square() / 2, {"x": diffeo.real()}),
    "Cauchy": (lambda v: -(1 + v["x"].square()).log(), {"x": diffeo.real()}),
    "half-Cauchy": (lambda v: -(1 + v["tau"].square()).log(), POSITIVE),
    "exponential": (lambda v: -v["tau"], POSITIVE),
    "flat share": (lambda v: 0 * v["p"], {"p": diffeo.interval(0, 1)}),
    "flat simplex": (lambda v: 0 * v["s"].sum(-1), {"s": diffeo.simplex(3)}),
    "cut off": (
        lambda v: torch.where(v["x"].abs() < 3, 0 * v["x"], -torch.inf),
        {"x": diffeo.real()},
    ),
}


def checked(function: Any, params: Any) -> None:
    target = CallableTarget(function, params, dtype=torch.float64)
    middle = torch.zeros(target.dim, dtype=torch.float64)
    check_tails(target, Gaussian(middle, torch.eye(target.dim, dtype=torch.float64)))


@pytest.mark.parametrize("name", IMPROPER)
def test_improper_posteriors_are_named(name: str) -> None:
    function, params = IMPROPER[name]
    with pytest.raises(TargetError, match=f"improper.*{next(iter(params))}"):
        checked(function, params)


@pytest.mark.parametrize("name", PROPER)
def test_proper_ones_pass(name: str) -> None:
    checked(*PROPER[name])


def test_a_regression_with_a_flat_prior_on_its_scale_passes() -> None:
    """Far along a coefficient the scale may rise with the residuals, and the density with it."""
    x = torch.linspace(-1, 1, 40, dtype=torch.float64)
    y = 2 * x + torch.sin(9 * x)

    def log_prob(v: dict[str, Tensor]) -> Tensor:
        mean = v["slope"].unsqueeze(-1) * x
        return torch.distributions.Normal(mean, v["sigma"].unsqueeze(-1)).log_prob(y).sum(-1)

    checked(log_prob, {"slope": diffeo.real(), "sigma": diffeo.positive()})
