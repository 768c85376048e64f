"""Where fits start: climbers, normals on their way, normals matched to scores, modes."""

from __future__ import annotations

import pytest
import torch
from exact_targets import CENTRES, SHARES, Normal, funnel, three_modes
from torch import Tensor

from diffeo.errors import TargetError
from diffeo.inference import CallableTarget
from diffeo.inference.ascent import climb
from diffeo.inference.gaussian import Gaussian
from diffeo.inference.pathfinder import elbos, pathfinder
from diffeo.inference.score_matching import match_scores
from diffeo.inference.start import find_start


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def rosenbrock(x: Tensor) -> Tensor:
    return -(1 - x[:, 0]).square() - 100 * (x[:, 1] - x[:, 0].square()).square()


def test_climbers_reach_the_top_of_a_bent_ridge() -> None:
    target = CallableTarget(rosenbrock, dim=2, dtype=torch.float64)
    starts = torch.tensor([[-1.2, 1.0], [2.0, -2.0], [0.0, 3.0]], dtype=torch.float64)
    *_, last = climb(target, starts, 300)
    torch.testing.assert_close(last.x, torch.ones_like(starts), rtol=0, atol=1e-3)
    assert bool(last.settled.all())


def test_a_step_never_leads_down_or_off_the_density() -> None:
    target = CallableTarget(lambda x: (x.log() - x).sum(-1), dim=2, dtype=torch.float64)
    value = torch.full((4,), -torch.inf, dtype=torch.float64)
    for now in climb(target, 5 * torch.rand(4, 2, dtype=torch.float64, generator=generator()), 50):
        assert bool((now.value >= value).all())
        assert bool((now.x > 0).all())
        value = now.value
    torch.testing.assert_close(now.x, torch.ones_like(now.x), rtol=0, atol=1e-3)


def test_the_way_to_a_pole_is_left_in_time() -> None:
    """The funnel's density has no top; the normal of the largest ELBO is far before it."""
    target = CallableTarget(funnel, dim=5, dtype=torch.float64)
    starts = 4 * torch.rand((20, 5), dtype=torch.float64, generator=generator()) - 2
    paths = pathfinder(target, starts, iterations=200, generator=generator())
    best = int(paths.elbo.argmax())
    assert paths.elbo[best] > -6
    assert paths.end[:, 0].min() < paths.normal.mean[best, 0] - 1


def test_scores_match_a_narrow_normal_exactly() -> None:
    exact = Normal(8, 1e4)
    target = exact.target()
    eye = torch.eye(8, dtype=torch.float64)
    start = Gaussian(torch.zeros(8, dtype=torch.float64), eye)
    found = match_scores(target, start, steps=60, batch=32, generator=generator())
    torch.testing.assert_close(found.mean, exact.mean, rtol=1e-3, atol=1e-2)
    torch.testing.assert_close(found.covariance, exact.covariance, rtol=1e-2, atol=1e-1)
    assert abs(float(elbos(target, found, 1000, generator()))) < 1e-2


@pytest.mark.parametrize("seed", range(3))
def test_all_modes_are_found_with_their_weights(seed: int) -> None:
    target = CallableTarget(three_modes, dim=2, dtype=torch.float64)
    start = find_start(target, generator(seed))
    assert start.complete
    order = (start.normals.mean.unsqueeze(1) - CENTRES).norm(dim=-1).argmin(0)
    torch.testing.assert_close(start.normals.mean[order], CENTRES, rtol=0, atol=0.05)
    torch.testing.assert_close(start.log_weights.exp()[order], SHARES, rtol=0.1, atol=0.01)
    frame = start.frame()
    torch.testing.assert_close(frame.mean, SHARES @ CENTRES, rtol=0.1, atol=0.1)


def test_one_mode_is_not_taken_for_several() -> None:
    start = find_start(Normal(6, 100.0).target(), generator())
    assert len(start.log_weights) == 1


def test_a_density_that_is_nowhere_is_refused() -> None:
    target = CallableTarget(lambda x: x.sum(-1) * torch.nan, dim=2)
    with pytest.raises(TargetError, match=r"-inf or NaN"):
        find_start(target, generator())


def test_a_coordinate_without_influence_is_named() -> None:
    target = CallableTarget(lambda x: -x[:, 0].square() / 2, dim=2)
    with pytest.raises(TargetError, match=r"x\[1\]"):
        find_start(target, generator())
