"""Coordinates of columns: there and back, slopes, atoms, and what lies outside."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import torch

from diffeo.tabular.any_order import AngleColumn, AnyOrderFlow, LevelColumn, NumberColumn
from diffeo.tabular.columns import Column
from diffeo.tabular.coordinates import Coordinate, find_coordinate

RNG = np.random.default_rng(0)
NORMAL = RNG.normal(size=400)


def column(kind: str, **options: Any) -> Column:
    return Column("v", kind, "float64", **options)


# columns, values of training, and further values that the column can have
CASES: dict[str, tuple[Column, Any, tuple[float, ...]]] = {
    "real": (column("real"), 1e4 + 3 * NORMAL, (1e4 - 1e3, 2e4)),
    "large": (column("real"), 1e200 * NORMAL, (1e201,)),
    "small": (column("real"), 1e-200 * NORMAL, (1e-201,)),
    "one value": (column("real"), np.full(9, 2.5), (3.0,)),
    "positive": (column("positive", low=0.0), np.exp(2 * NORMAL), (1e-9, 1e9)),
    "bounded": (column("bounded", low=-2.0, high=6.0), 8 / (1 + np.exp(-NORMAL)) - 2, (-1.99,)),
    "circular": (column("circular", low=-180.0, high=180.0), RNG.uniform(-180, 180, 400), (-180,)),
    "zeros": (
        column("positive", low=0.0, atoms=(0.0,)),
        np.where(NORMAL < 0, 0.0, np.exp(NORMAL)),
        (0.1,),
    ),
    "capped": (
        column("bounded", low=0.0, high=1.0, atoms=(0.0, 1.0)),
        np.clip(NORMAL / 4 + 0.5, 0, 1),
        (0.999,),
    ),
    "lattice": (column("real", step=0.25, offset=0.1), 0.1 + 0.25 * np.rint(9 * NORMAL), (50.1,)),
    "counts": (column("integer", step=1.0, low=0.0), RNG.poisson(9, 400) * 1.0, (0.0, 999.0)),
    "zeros among counts": (
        column("integer", step=1.0, low=0.0, atoms=(0.0, 999.0)),
        RNG.choice([0.0, 999.0, *range(1, 40)], 400),
        (0.0, 999.0, 77.0),
    ),
    "fine lattice": (column("integer", step=1.0), RNG.integers(0, 10**6, 400) * 1.0, (-5.0,)),
    "hours": (
        column("circular", low=0.0, high=24.0, step=1.0),
        RNG.integers(0, 24, 400) * 1.0,
        (0.0, 23.0),
    ),
    "half hours": (
        column("circular", low=0.0, high=24.0, step=0.5, offset=0.25),
        RNG.integers(0, 48, 400) / 2 + 0.25,
        (23.75,),
    ),
    "fine angles": (
        column("circular", low=0.0, high=360.0, step=0.01),
        RNG.integers(0, 36_000, 400) / 100,
        (359.99,),
    ),
    "levels": (column("categorical", levels=("a", "b")), np.array([0.0, 1.0, 2.0]), ()),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[Coordinate, Any, Any, Any]:
    described, values, more = CASES[request.param]
    coordinate, kind = find_coordinate(described, values)
    return coordinate, kind, values, np.array([*values, *more, math.nan])


def test_there_and_back_through_float32(case: Any) -> None:
    coordinate, _, values, all_values = case
    places, _ = coordinate.forward(all_values)
    again = coordinate.inverse(places.astype(np.float32).astype(np.float64))
    error = np.abs(again - all_values)[:-1]
    if coordinate.form == "angle":
        period = coordinate.high - coordinate.low
        error = np.minimum(error, period - error)
    size = np.abs(all_values[:-1]) + np.ptp(values)
    assert float((error / np.maximum(size, 1e-300)).max()) < 1e-5
    assert np.isnan(again[-1])
    for atom in coordinate.atoms:
        assert np.array_equal(again == atom, all_values == atom)


def test_coordinates_of_training_are_within_a_few_units(case: Any) -> None:
    coordinate, _, values, _ = case
    if coordinate.form not in ("lattice", "levels"):
        assert float(np.abs(coordinate.forward(values)[0]).max()) < 33


def test_slopes_are_those_of_finite_differences(case: Any) -> None:
    """Per step on a lattice that is modelled as a continuum; 0 where values are counted."""
    coordinate, kind, values, _ = case
    where, log_slope = coordinate.forward(values)
    if isinstance(kind, LevelColumn) or kind.step:
        assert not log_slope.any()
        return
    free = ~np.isin(values, coordinate.atoms)
    assert not log_slope[~free].any()
    room = np.minimum(values[free] - coordinate.low, coordinate.high - values[free])
    step = 1e-6 * np.minimum(room, np.ptp(values) or 1.0)
    low, high = (coordinate.forward(values[free] + s * step)[0] for s in (-1, 1))
    rise = high - low
    if coordinate.form == "angle":
        rise = (rise + math.pi) % (2 * math.pi) - math.pi
    expected = np.log(rise / (2 * step)) + coordinate.log_step
    np.testing.assert_allclose(log_slope[free], expected, atol=1e-4)
    assert np.isfinite(where).all()


def test_json_gives_it_back(case: Any) -> None:
    coordinate = case[0]
    assert Coordinate.from_json(coordinate.to_json()) == coordinate


def test_every_value_is_possible_and_has_a_finite_density(case: Any) -> None:
    coordinate, kind, _, all_values = case
    flow = AnyOrderFlow([kind], width=4, blocks=1, seed=0)
    places, _ = coordinate.forward(all_values)
    flow.initialize(torch.from_numpy(places).float()[:, None])
    log_prob = flow.log_prob(places[:, None])
    assert np.isfinite(log_prob).all()
    assert log_prob[-1] == 0  # the hole


OUTSIDE = {
    "positive": (0.0, -1.0),
    "bounded": (-2.0, 6.0, -3.0, 7.0),
    "zeros": (-1e-9, -4.0),
    "capped": (-0.1, 1.1),
    "counts": (-1.0, -40.0),
    "zeros among counts": (-1.0,),
    "levels": (3.0,),
}


@pytest.mark.parametrize("name", OUTSIDE)
def test_values_outside_have_no_density(name: str) -> None:
    described, values, _ = CASES[name]
    coordinate, kind = find_coordinate(described, values)
    flow = AnyOrderFlow([kind], width=4, blocks=1, seed=0)
    where, log_slope = coordinate.forward(np.array(OUTSIDE[name]))
    log_prob = flow.log_prob(where[:, None]) + log_slope
    assert np.array_equal(log_prob, np.full(len(where), -np.inf))


def test_kinds_follow_from_columns() -> None:
    kinds = {name: find_coordinate(c, v)[1] for name, (c, v, _) in CASES.items()}
    assert kinds["real"] == NumberColumn()
    assert kinds["circular"] == AngleColumn()
    assert kinds["hours"] == AngleColumn(2 * math.pi / 24)
    assert kinds["fine angles"] == AngleColumn()
    assert kinds["levels"] == LevelColumn(2)
    assert kinds["fine lattice"] == NumberColumn()
    counts = kinds["counts"]
    assert isinstance(counts, NumberColumn)
    assert (counts.step, counts.high) == (1.0, math.inf)
    assert counts.low == -round(float(np.median(CASES["counts"][1])))
    booleans = column("boolean", levels=(False, True))
    assert find_coordinate(booleans, np.zeros(3))[1] == LevelColumn(2, closed=True)


def test_bounds_that_occur_have_masses_of_their_own() -> None:
    values = np.array([0.0, 1.0, *RNG.uniform(0.1, 0.9, 50)])
    coordinate, kind = find_coordinate(column("bounded", low=0.0, high=1.0), values)
    assert coordinate.atoms == (0.0, 1.0)
    assert isinstance(kind, NumberColumn)
    assert kind.atoms == coordinate.atom_places()
    where, _ = coordinate.forward(values)
    assert np.isfinite(where).all()
    assert np.array_equal(coordinate.inverse(where)[:2], [0.0, 1.0])


def test_values_beside_an_atom_are_not_the_atom() -> None:
    """Closer than float32 tells apart, they keep a density and its slope."""
    values = np.array([0.0] * 20 + [*(1e6 * NORMAL)])
    coordinate, kind = find_coordinate(column("real", atoms=(0.0,)), values)
    assert isinstance(kind, NumberColumn)
    where, log_slope = coordinate.forward(np.array([0.0, 1e-3, -1e-3]))
    single = where.astype(np.float32)
    assert single[0] == np.float32(kind.atoms[0])
    assert single[2] < single[0] < single[1]
    assert log_slope[0] == 0
    assert (log_slope[1:] < -10).all()


def test_a_circle_goes_round() -> None:
    described = CASES["hours"][0]
    coordinate, _ = find_coordinate(described, CASES["hours"][1])
    where, _ = coordinate.forward(np.array([0.0, 24.0, 48.0, -24.0, 6.0]))
    np.testing.assert_allclose(where, [-math.pi] * 4 + [-math.pi / 2], atol=1e-12)
    assert coordinate.inverse(np.array([math.pi - 1e-7])) % 24 == pytest.approx(24, abs=1e-5)


def test_lattices_of_too_many_places_are_a_continuum() -> None:
    described = column("integer", step=1.0)
    few, _ = find_coordinate(described, np.arange(50_001.0))
    many, _ = find_coordinate(described, np.arange(50_002.0))
    assert (few.form, many.form) == ("lattice", "real")
    assert dataclasses.replace(many, log_step=1.0) != many
