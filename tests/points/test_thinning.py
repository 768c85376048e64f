"""Thinned clouds: some of the points, spread as far as they go."""

from __future__ import annotations

import numpy as np
import pytest

from diffeo.errors import DataError
from diffeo.points import thinned

RNG = np.random.default_rng(0)


def test_each_point_is_the_farthest_from_those_before_it():
    cloud = RNG.normal(size=(40, 3)).astype(np.float32)
    found = thinned(cloud, 12, seed=1)
    assert found.dtype == np.float32
    for k in range(1, 12):
        gaps = np.linalg.norm(cloud[:, None] - found[None, :k], axis=2).min(1)
        assert (found[k] == cloud[gaps.argmax()]).all()


def test_all_points_are_kept_if_all_are_wanted():
    cloud = RNG.normal(size=(9, 2))
    assert sorted(map(tuple, thinned(cloud, 9))) == sorted(map(tuple, cloud))
    with pytest.raises(DataError, match="9 points cannot be thinned to 10"):
        thinned(cloud, 10)


def test_spacing_is_more_even_than_by_chance():
    def spread(cloud):
        gaps = np.linalg.norm(cloud[:, None] - cloud[None], axis=2) + np.eye(len(cloud)) * 9
        return gaps.min(1).std() / gaps.min(1).mean()

    cloud = RNG.uniform(size=(1200, 2))
    # by chance, in a plane, it is 0.52
    assert spread(cloud[:300]) == pytest.approx(0.52, abs=0.08)
    assert spread(thinned(cloud, 300)) < 0.15
