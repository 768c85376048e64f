"""What is inferred for tables as they are; skipped without the data."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from diffeo.tabular.columns import Schema, infer_schema

ROOT = Path(__file__).resolve().parents[3]
DATA = Path(os.environ.get("DIFFEO_DATA", ROOT.parent / "shared" / "data"))


def understood(path: str) -> Schema:
    """The schema of a benchmark's table, columns x0, x1, ..., the target last."""
    file = DATA / path
    if not file.exists():
        pytest.skip(f"no {file}: name the folder of the data in DIFFEO_DATA")
    arrays = np.load(file)
    if "X" in arrays:
        return infer_schema(arrays["X"])
    return infer_schema(np.hstack([arrays["x"], arrays["y"]]) if "y" in arrays else arrays["x"])


def test_house_prices_are_capped_and_their_zones_start_at_zero() -> None:
    schema = understood("uci_regression/bostonHousing.npz")
    assert schema.column("x13").atoms == (50.0,)
    assert schema.column("x13").step == 0.1
    assert schema.column("x6").atoms == (100.0,)
    assert schema.column("x1").atoms == (0.0,)
    assert schema.column("x0").kind == "positive"
    assert not schema.derived


def test_buildings_follow_from_one_number() -> None:
    schema = understood("uci_regression/energy.npz")
    assert schema.names == ["x0", "x5", "x6", "x7", "x8"]
    assert [len(column.levels) for column in schema.columns] == [12, 4, 4, 6, 0]


def test_a_ship_has_two_constants_a_copy_and_a_lever() -> None:
    schema = understood("uci_regression/naval-propulsion-plant.npz")
    assert {name: rule.how for name, rule in schema.derived.items()} == {
        "x8": "constant",
        "x11": "constant",
        "x1": "lookup",
        "x6": "copy",
    }


def test_hours_and_weekdays_are_levels_even_when_centred() -> None:
    schema = understood("uci_gp/bike.npz")
    assert [len(schema.column(name).levels) for name in ("x6", "x8")] == [24, 7]
    assert schema.column("x15").step == pytest.approx(1, rel=1e-4)
    assert sorted(schema.derived) == ["x4", "x5"]


def test_a_subject_tells_age_and_sex() -> None:
    schema = understood("uci_gp/parkinsons.npz")
    assert {name: rule.of for name, rule in schema.derived.items()} == {
        "x1": ("x0",),
        "x2": ("x0",),
    }


def test_the_width_of_a_histogram_is_its_end_less_its_start() -> None:
    schema = understood("anomaly/6_cardio.npz")
    assert schema.derived["x13"].of == ("x11", "x12")


def test_standardised_colours_are_a_lattice() -> None:
    schema = understood("anomaly/33_skin.npz")
    spans = [(c.seen[1] - c.seen[0]) / c.step for c in schema.columns if c.seen]
    # an end at 255 may be an atom
    assert all(253.5 < span < 255.5 for span in spans)


def test_pen_strokes_touch_the_border() -> None:
    column = understood("anomaly/28_pendigits.npz").column("x0")
    assert (column.kind, sorted(column.atoms)) == ("bounded", [0, 1])
