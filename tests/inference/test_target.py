"""Named parameters, log-densities of them, and what they refuse."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import diffeo
from diffeo.errors import ShapeError, TargetError
from diffeo.inference import CallableTarget, Parameters, numpy_target

ALL = {
    "a": diffeo.real(),
    "b": diffeo.positive(3),
    "c": diffeo.interval(-1, 2),
    "d": diffeo.ordered(3),
    "e": diffeo.positive_ordered(2),
    "f": diffeo.simplex(4),
    "g": diffeo.corr_cholesky(3),
    "h": diffeo.circle(),
    "i": (diffeo.simplex(3), (2,)),
    "j": (diffeo.real(), (2, 3)),
}


def points(n: int, dim: int) -> Tensor:
    return torch.randn(n, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_values_have_the_shapes_declared_and_go_back() -> None:
    parameters = Parameters(ALL)
    z = points(5, parameters.dim)
    values, ladj = parameters.constrain(z)
    assert {name: tuple(value.shape[1:]) for name, value in values.items()} == parameters.shapes
    assert parameters.shapes["i"] == (2, 3)
    assert parameters.shapes["g"] == (3, 3)
    back, inverse_ladj = parameters.unconstrain(values)
    torch.testing.assert_close(back, z, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(inverse_ladj, -ladj, rtol=1e-6, atol=1e-6)


def test_the_change_of_variables_is_added() -> None:
    target = CallableTarget(lambda v: -v["s"], {"s": diffeo.positive()}, dtype=torch.float64)
    z = points(7, 1)
    torch.testing.assert_close(target.log_prob(z), z[:, 0] - z[:, 0].exp())
    assert target.evaluations == 7
    target.log_prob(z.requires_grad_())
    assert (target.evaluations, target.gradients) == (7, 7)


def test_numpy_has_the_gradients_of_torch() -> None:
    declared = {"m": diffeo.real(2), "s": diffeo.positive()}

    def by_torch(v: dict[str, Tensor]) -> Tensor:
        return -(v["m"] / v["s"].unsqueeze(-1)).square().sum(-1) / 2 - 3 * v["s"].log()

    def by_numpy(v: dict[str, Any]) -> Any:
        m, s = v["m"], v["s"]
        square = (m**2).sum(-1)
        gradient = {"m": -m / s[:, None] ** 2, "s": square / s**3 - 3 / s}
        import numpy as np

        return -square / s**2 / 2 - 3 * np.log(s), gradient

    z = points(6, 3)
    ours = numpy_target(by_numpy, declared)
    other = CallableTarget(by_torch, declared, dtype=torch.float64)
    for found, wanted in zip(ours.value_and_gradient(z), other.value_and_gradient(z), strict=True):
        torch.testing.assert_close(found, wanted)


def test_a_density_that_is_zero_or_no_number_somewhere() -> None:
    target = CallableTarget(lambda x: x[:, 0].log() + x[:, 1].sqrt(), dim=2, dtype=torch.float64)
    z = torch.tensor([[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [0.0, 1.0]], dtype=torch.float64)
    value, gradient = target.value_and_gradient(z)
    assert value.tolist() == [1.0, -math.inf, -math.inf, -math.inf]
    torch.testing.assert_close(gradient[0], torch.tensor([1.0, 0.5], dtype=torch.float64))
    assert not gradient[1:].any()


BAD: dict[str, tuple[Callable[[Tensor], Any], str]] = {
    "summed over the batch": (lambda x: x.sum(), r"one number for each of the 4 points"),
    "one for each coordinate": (lambda x: -x, r"shape \(4,\).*returned shape \(4, 2\)"),
    "a float": (lambda x: 1.0, r"returned 1\.0"),
    "detached": (lambda x: x.detach().sum(-1), "without a gradient"),
    "constant": (lambda x: torch.zeros(len(x)), "do not depend on the parameters"),
    "infinite": (lambda x: x.sum(-1) + torch.inf, r"\+inf at x=\["),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_log_densities_are_named(name: str) -> None:
    function, words = BAD[name]
    with pytest.raises(TargetError, match=words):
        CallableTarget(function, dim=2).value_and_gradient(torch.zeros(4, 2))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "params=.* or dim="),
        ({"dim": 2, "params": {"a": diffeo.real()}}, "not both"),
        ({"dim": 0}, "whole number"),
        ({"params": {}}, "dictionary of names"),
        ({"params": {"a": 3}}, "'a' needs a support"),
        ({"params": {"a": (diffeo.real(), (0,))}}, "shape of 'a'"),
        ({"params": {"k": diffeo.integers(0, 3)}}, "discrete"),
    ],
)
def test_bad_declarations_are_named(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        CallableTarget(lambda x: x, **arguments)


def test_bad_values_are_named() -> None:
    parameters = Parameters({"a": diffeo.real(2), "b": diffeo.real()})
    with pytest.raises(ShapeError, match=r"\['a', 'b'\]"):
        parameters.unconstrain({"a": torch.zeros(2)})
    with pytest.raises(ShapeError, match="values of 'a' must have the shape"):
        parameters.unconstrain({"a": torch.zeros(3), "b": torch.zeros(())})


def test_numpy_gradients_of_another_shape_are_named() -> None:
    target = numpy_target(lambda x: (x.sum(-1), x.sum(-1)), dim=2)
    with pytest.raises(TargetError, match="gradient by 'x'"):
        target.value_and_gradient(torch.zeros(3, 2, dtype=torch.float64))
