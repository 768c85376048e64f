"""Distances and measures of sets, against answers found by hand or by brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from diffeo.errors import DataError, ShapeError
from diffeo.points import (
    chamfer_distance,
    compare_sets,
    distance_matrix,
    earth_movers_distance,
    occupancy_divergence,
    surface_distances,
)

pytest.importorskip("scipy")

RNG = np.random.default_rng(0)


def _squared(x, y):
    return ((x[:, None] - y[None]) ** 2).sum(2)


def test_chamfer_is_the_mean_of_squares_both_ways_added():
    x, y = RNG.normal(size=(7, 3)), RNG.normal(size=(11, 3))
    gaps = _squared(x, y)
    assert chamfer_distance(x, y) == pytest.approx(gaps.min(0).mean() + gaps.min(1).mean())
    assert chamfer_distance(x, y) == pytest.approx(chamfer_distance(y, x))
    # a point far from all counts on its own side alone
    assert chamfer_distance([[0.0, 0]], [[0.0, 0], [3.0, 4.0]]) == pytest.approx(12.5)


def test_emd_is_the_best_of_all_matchings():
    x, y = RNG.normal(size=(2, 6, 3))
    gaps = np.sqrt(_squared(x, y))
    best = min(
        np.mean([gaps[i, j] for i, j in enumerate(order)])
        for order in itertools.permutations(range(6))
    )
    assert earth_movers_distance(x, y) == pytest.approx(best)
    assert earth_movers_distance(x, x + np.array([0.0, 3.0, 4.0])) == pytest.approx(5.0)


@pytest.mark.parametrize("distance", ["chamfer", "emd"])
def test_a_matrix_holds_the_distances_of_all_pairs(distance):
    single = chamfer_distance if distance == "chamfer" else earth_movers_distance
    first, second = RNG.normal(size=(3, 9, 2)), list(RNG.normal(size=(2, 9, 2)))
    found = distance_matrix(first, second, distance)
    assert found == pytest.approx(np.array([[single(x, y) for y in second] for x in first]))
    own = distance_matrix(first, distance=distance)
    assert own == pytest.approx(distance_matrix(first, first, distance))
    assert (own.diagonal() == 0).all()
    fewer = distance_matrix(first, second, distance, max_points=4, seed=1)
    assert (fewer == distance_matrix(first, second, distance, max_points=4, seed=1)).all()
    assert (fewer != found).any()


def test_sets_that_can_be_told_apart_and_copies():
    near = RNG.normal(size=(6, 30, 3)) * 0.01 + RNG.normal(size=(6, 1, 3))
    far = near + 50.0
    told = compare_sets(far, near)
    assert told.accuracy == 1.0
    # of two copies the nearest other cloud is always the twin
    same = compare_sets(near, near.copy())
    assert (same.accuracy, same.coverage, same.matching) == (0.0, 1.0, 0.0)


def test_coverage_and_matching_by_hand():
    def at(*places):
        return [np.array([[place, 0.0]]) for place in places]

    # each sample's nearest is 0, 0 and 10; each reference's nearest is 1, 1 and 9
    found = compare_sets(at(1.0, -1.0, 9.0), at(0.0, 4.0, 10.0), "emd")
    assert found.coverage == pytest.approx(2 / 3)
    assert found.matching == pytest.approx((1 + 3 + 1) / 3)
    # nearest other clouds: 1->0, -1->0, 9->10, 0->1, 4->1, 10->9; all of the other set
    assert found.accuracy == pytest.approx(0.0)


def test_samples_of_the_same_kind_cannot_be_told_apart():
    clouds = RNG.normal(size=(120, 20, 2)) * RNG.uniform(0.2, 2, (120, 1, 1))
    found = compare_sets(clouds[:60], clouds[60:])
    # its standard error is 0.05
    assert 0.35 < found.accuracy < 0.65


def test_divergence_of_occupied_space():
    x = RNG.uniform(size=(4, 200, 3))
    assert occupancy_divergence(x, x) == pytest.approx(0.0, abs=1e-12)
    assert occupancy_divergence(x, x + 5) == pytest.approx(1.0)
    # half of the points in a cell of their own, half in one that both share
    left = np.array([[[0.0, 0.0], [0.5, 0.0]]])
    right = np.array([[[1.0, 0.0], [0.5, 0.0]]])
    assert occupancy_divergence(left, right, resolution=3) == pytest.approx(0.5)


def test_distance_to_a_surface_forgives_what_lies_between_known_points():
    angle, height = RNG.uniform(0, 2 * np.pi, 4000), RNG.uniform(-1, 1, 4000)
    radius = np.sqrt(1 - height**2)
    sphere = np.column_stack([radius * np.cos(angle), radius * np.sin(angle), height])
    unseen, known = sphere[:1000], sphere[1000:]
    on = surface_distances(unseen, known)
    assert np.quantile(on, 0.95) < 0.01
    for factor in (0.9, 1.1, 1.5):
        off = surface_distances(factor * unseen, known)
        assert off == pytest.approx(np.full(1000, abs(factor - 1)), abs=0.03)


def test_beyond_the_rim_of_a_surface_is_off_it():
    square = np.column_stack([RNG.uniform(-1, 1, (3000, 2)), np.zeros(3000)])
    found = surface_distances([[0.0, 0, 0.2], [2.0, 0, 0], [0.3, 0.2, 0]], square)
    assert found == pytest.approx([0.2, 1.0, 0.0], abs=0.1)


def test_what_cannot_be_compared():
    x = np.zeros((4, 3))
    with pytest.raises(ShapeError, match="clouds of 3 coordinates, the other of 2"):
        chamfer_distance(x, np.zeros((4, 2)))
    with pytest.raises(ShapeError, match="equal size, but cloud 0 has 4 points and cloud 1 has 5"):
        earth_movers_distance(x, np.zeros((5, 3)))
    with pytest.raises(DataError, match="cloud 0 has no points"):
        chamfer_distance(np.zeros((0, 3)), x)
    with pytest.raises(DataError, match=r"point 1 is .*nan"):
        chamfer_distance([[0.0, 0], [0, np.nan]], [[0.0, 0]])
    with pytest.raises(ValueError, match="distance must be one of"):
        distance_matrix([x], distance="hausdorff")
    with pytest.raises(DataError, match="got 2 and 3"):
        compare_sets([x] * 2, [x] * 3)
    with pytest.raises(DataError, match="fewer than 8 neighbours"):
        surface_distances(x, x)
