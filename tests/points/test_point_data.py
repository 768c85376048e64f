"""PointData: what it accepts, how it is cut, and what normalising takes away."""

from __future__ import annotations

import numpy as np
import pytest

from diffeo.errors import DataError
from diffeo.points import PointData, load_clouds, split_clouds

RNG = np.random.default_rng(0)


def _data(**options) -> PointData:
    clouds = [RNG.normal(5.0, 3.0, (n, 3)) for n in (4, 7, 9)]
    return PointData(clouds, **{"labels": np.array([0, 1, 1]), **options})


def test_clouds_are_kept_as_they_are():
    data = _data(titles=("a.ply", "b.ply", "c.ply"))
    assert (len(data), data.dim, data.sizes) == (3, 3, [4, 7, 9])
    assert all(cloud.dtype == np.float32 for cloud in data.clouds)
    last = data.subset([2])
    assert (last.sizes, last.labels.tolist(), last.titles) == ([9], [1], ("c.ply",))
    assert data.subset(slice(2)).sizes == [4, 7]
    assert data.subset(np.array([True, False, True])).sizes == [4, 9]


def test_normalising_and_back():
    data = _data()
    small = data.normalised()
    for cloud in small.clouds:
        assert cloud.mean(0) == pytest.approx(np.zeros(3), abs=1e-5)
        assert np.linalg.norm(cloud, axis=1).max() == pytest.approx(1.0, abs=1e-5)
    assert small.normalised() is small
    part = small.subset([1]).restored()
    assert part.clouds[0] == pytest.approx(data.clouds[1], abs=1e-4)
    assert part.radii is None
    one_place = PointData([np.ones((3, 2))]).normalised()
    assert (one_place.clouds[0] == 0).all()


def test_stacking_takes_each_point_before_any_again():
    stacked = _data().stacked(9, seed=1)
    assert stacked.shape == (3, 9, 3)
    for cloud, found in zip(_data().clouds, stacked, strict=True):
        counts = np.unique(found[:, 0], return_counts=True)[1]
        assert len(counts) == len(cloud)
        assert counts.max() - counts.min() <= 1
    few = _data().stacked(2, seed=1)
    assert few.shape == (3, 2, 3)
    assert (_data().stacked(2, seed=2) != few).any()


def test_a_share_of_every_class_is_held_out():
    data = load_clouds(np.zeros((40, 5, 2)), labels=np.arange(40) % 4)
    train, held_out = split_clouds(data, 0.2, seed=3)
    assert np.bincount(held_out.labels).tolist() == [2] * 4
    assert len(train) == 32
    with pytest.raises(DataError, match="1 clouds cannot be split"):
        split_clouds(data.subset([0]), 0.5)


@pytest.mark.parametrize(
    ("clouds", "said"),
    [
        ([], "the scans holds no clouds"),
        ([np.zeros((3, 3)), np.zeros((0, 3))], r"cloud 1 \(b\) has no points"),
        ([np.zeros((3, 3)), np.zeros((3, 2))], "has 2 coordinates, but cloud 0.* has 3"),
        ([np.zeros((3, 4))], r"has the shape \(3, 4\); clouds have the shape \(points, 2\)"),
        ([np.zeros(3)], r"has the shape \(3,\)"),
        ([np.zeros((3, 3)), np.array([[0, 0, 0], [0, np.nan, 0]])], r"\(b\), point 1 is .*nan"),
        ([np.array([[0, 0, np.inf]])], "point 0 is .*inf"),
        ([np.array([["a", "b", "c"]])], "holds <U1 values"),
    ],
)
def test_bad_clouds_are_named_with_their_place(clouds, said):
    with pytest.raises(DataError, match=said):
        PointData(clouds, source="the scans", titles=("a", "b")[: len(clouds)])


def test_labels_are_one_a_cloud():
    with pytest.raises(DataError, match=r"labels have the shape \(3,\), one for each cloud"):
        _data(labels=np.array([0, 1]))
    with pytest.raises(DataError, match=r"cloud 2 has the label 5.* to 1"):
        _data(labels=np.array([0, 1, 5]), names=("chair", "sofa"))
