"""Posteriors of angles that lie where a circle is cut open."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

import diffeo
from diffeo.errors import ModelFileError, ShapeError
from diffeo.inference import CallableTarget, Parameters, Posterior
from diffeo.inference.circles import turn_circles
from diffeo.inference.start import find_start

SHARP = 200.0


def at_the_cut(v: dict[str, Tensor]) -> Tensor:
    """Von Mises around -pi + 0.05, so that 0.24 of it lies on the other side of the cut."""
    return SHARP * (torch.cos(v["angle"] + math.pi - 0.05) - 1)


@pytest.fixture(scope="module")
def post() -> Posterior:
    return diffeo.fit_posterior(
        at_the_cut, {"angle": diffeo.circle()}, max_gradients=60_000, progress=False
    )


def test_a_posterior_at_the_cut_is_one_mode(post: Posterior) -> None:
    assert post.quality.good
    truth = math.log(2 * math.pi) + float(torch.special.i0e(torch.tensor(SHARP)).log())
    assert abs(post.quality.log_evidence - truth) < 0.01
    angles = post.sample(20_000, seed=0)["angle"]
    assert bool((angles.abs() <= math.pi).all())
    away = torch.remainder(angles + math.pi - 0.05 + math.pi, 2 * math.pi) - math.pi
    assert abs(float(away.mean())) < 0.003
    assert abs(float(away.std()) * math.sqrt(SHARP) - 1) < 0.03
    assert abs(float((angles > 0).double().mean()) - 0.24) < 0.02


def test_its_density_is_normalised_around_the_circle(post: Posterior) -> None:
    grid = torch.linspace(0, 2 * math.pi, 20_001, dtype=torch.float64)
    angles = torch.remainder(grid + math.pi, 2 * math.pi) - math.pi
    density = post.log_prob({"angle": angles}).exp()
    assert abs(float(torch.trapezoid(density, grid)) - 1) < 1e-3


def test_files_keep_the_turn(post: Posterior, tmp_path: Path) -> None:
    path = tmp_path / "angle.safetensors"
    post.save(path)
    fresh = CallableTarget(at_the_cut, {"angle": diffeo.circle()})
    again = Posterior.load(path, fresh)
    assert torch.equal(again.sample(9, seed=1)["angle"], post.sample(9, seed=1)["angle"])
    angles = again.mcmc(100).draws["angle"]
    assert float((torch.cos(angles + math.pi - 0.05)).mean()) > 0.99
    with pytest.raises(ModelFileError, match="parameters"):
        Posterior.load(path, CallableTarget(at_the_cut, {"other": diffeo.circle()}))


def test_turns_go_there_and_back() -> None:
    params = {"a": diffeo.real(), "b": (diffeo.circle(), (2,)), "c": diffeo.positive()}
    turned = Parameters(params, turns=[3.0, -1.0])
    z = torch.randn(50, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    values, ladj = turned.constrain(z)
    plain, _ = Parameters(params).constrain(z)
    assert turned.circles == [1, 2]
    for name in ("a", "c"):
        assert torch.equal(values[name], plain[name])
    expected = plain["b"] + torch.tensor([3.0, -1.0], dtype=torch.float64)
    torch.testing.assert_close(values["b"].cos(), expected.cos())
    torch.testing.assert_close(values["b"].sin(), expected.sin())
    torch.testing.assert_close(turned.angles(z), values["b"])
    back, inverse = turned.unconstrain(values)
    torch.testing.assert_close(back, z)
    torch.testing.assert_close(inverse, -ladj)
    with pytest.raises(ShapeError, match="2 circles"):
        Parameters(params, turns=[1.0])


@pytest.mark.parametrize(
    ("centre", "turned"), [(0.0, False), (1.2, False), (3.0, True), (-3.1, True), (None, False)]
)
def test_only_what_lies_at_the_cut_is_turned(centre: float | None, turned: bool) -> None:
    def log_prob(v: dict[str, Tensor]) -> Tensor:
        slope = 0.0 if centre is None else 8.0
        return slope * torch.cos(v["angle"] - (centre or 0.0)) - v["x"].square()

    target = CallableTarget(log_prob, {"x": diffeo.real(), "angle": diffeo.circle()})
    generator = torch.Generator().manual_seed(0)
    start = find_start(target, generator)
    assert turn_circles(target, start, generator) == turned
    if turned:
        assert abs(math.remainder(target.parameters.turns[0] - (centre or 0.0), 2 * math.pi)) < 0.2
        assert len(find_start(target, generator).log_weights) == 1
