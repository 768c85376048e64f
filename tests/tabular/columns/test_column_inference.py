"""Each rule by which a column is understood, and what contradictions get."""

from __future__ import annotations

import datetime as dt
import decimal

import numpy as np
import pandas as pd
import pytest

from diffeo.errors import DataError, DataWarning
from diffeo.tabular.columns import Column, infer_schema

ROWS = 1000
RNG = np.random.default_rng(0)
NORMAL = RNG.normal(size=ROWS)
FREE = {"free": RNG.normal(size=ROWS)}  # a column that is always modelled
ZEROS = RNG.random(ROWS) < 0.4


def infer(values: object, told: object = None) -> Column:
    """The type of one column, beside a free one."""
    schema = {} if told is None else {"c": told}
    return infer_schema(pd.DataFrame({"c": values, **FREE}), schema).column("c")


def test_normal_numbers_are_real_without_ties() -> None:
    column = infer(NORMAL)
    assert (column.kind, column.step, column.atoms, column.levels) == ("real", 0, (), ())
    assert column.dtype == "float64"
    assert not column.missing
    assert not column.discrete
    assert column.seen == (NORMAL.min(), NORMAL.max())


def test_skewed_positive_numbers_are_positive() -> None:
    column = infer(np.exp(NORMAL))
    assert (column.kind, column.low) == ("positive", 0)
    assert infer(5 + 0.1 * NORMAL).kind == "real"
    assert infer(np.exp(NORMAL) - 0.1).kind == "real"


def test_shares_that_fill_the_unit_interval_are_bounded() -> None:
    share = 1 / (1 + np.exp(-2 * NORMAL))
    assert (infer(share).kind, infer(share).low, infer(share).high) == ("bounded", 0, 1)
    assert infer(0.4 + 0.1 * share).kind == "real"
    capped = infer(np.where(ZEROS, 0.0, share))
    assert capped.kind == "bounded"
    assert capped.atoms == (0.0,)


def test_rounded_numbers_lie_on_a_lattice() -> None:
    column = infer(NORMAL.round(1))
    assert (column.kind, column.step, column.offset, column.decimals) == ("real", 0.1, 0, 1)
    assert column.atoms == ()
    fives = infer(np.round(NORMAL * 20) * 0.05)
    assert (fives.step, fives.decimals) == (0.05, 2)
    single = infer(NORMAL.round(1).astype(np.float32))
    assert (single.step, single.dtype) == (0.1, "float32")


def test_digits_without_ties_are_only_kept() -> None:
    column = infer(NORMAL.round(6))
    assert (column.step, column.decimals) == (0, 6)


def test_a_standardised_lattice_is_found() -> None:
    counts = RNG.poisson(300, ROWS)
    scaled = (counts - counts.mean()) / counts.std()
    column = infer(scaled)
    assert column.step == pytest.approx(1 / counts.std(), rel=1e-9)
    places = (scaled - column.offset) / column.step
    np.testing.assert_allclose(places, np.rint(places), atol=1e-8)
    # as written with five digits
    written = infer([float(f"{x:.5g}") for x in scaled])
    assert written.step == pytest.approx(1 / counts.std(), rel=1e-3)


def test_zeros_among_other_numbers_are_an_atom_and_no_rounding() -> None:
    column = infer(np.where(ZEROS, 0, NORMAL))
    assert (column.kind, column.atoms, column.step) == ("real", (0.0,), 0)
    skewed = infer(np.where(ZEROS, 0, np.exp(NORMAL)))
    assert (skewed.kind, skewed.atoms, skewed.step) == ("positive", (0.0,), 0)


def test_caps_and_marks_are_atoms_of_a_lattice_too() -> None:
    column = infer(np.minimum(NORMAL.round(2), 1))
    assert (column.atoms, column.step) == ((1.0,), 0.01)
    price = np.where(ZEROS, 999, (20 + 5 * NORMAL).round(1))
    column = infer(price)
    assert (column.atoms, column.step) == ((999.0,), 0.1)
    note = infer_schema(pd.DataFrame({"c": price, **FREE})).table()[0]["note"]
    assert "999 lies far from all others" in note


def test_two_heaps_do_not_hide_each_other() -> None:
    some = RNG.random(ROWS) < 0.3
    values = np.where(ZEROS, 0.0, np.where(some, 1.0, NORMAL))
    assert sorted(infer(values).atoms) == [0, 1]


def test_integers_of_few_values_are_levels_and_of_many_a_lattice() -> None:
    few = infer(RNG.integers(1, 6, ROWS))
    assert (few.kind, few.levels, few.ordered, few.step) == ("integer", (1, 2, 3, 4, 5), True, 0)
    many = infer(RNG.integers(0, 500, ROWS))
    assert (many.kind, many.levels, many.step, many.decimals) == ("integer", (), 1, 0)
    assert infer(5 * RNG.integers(0, 500, ROWS)).step == 5
    counts = infer(np.floor(np.exp(NORMAL) * 50))
    assert (counts.kind, counts.low) == ("integer", 0)


def test_few_numbers_are_levels() -> None:
    column = infer(RNG.choice([0.1, 0.25, 0.4], ROWS).astype(np.float32))
    assert (column.kind, column.levels) == ("real", (0.1, 0.25, 0.4))
    # too few rows for a mass each
    assert infer_schema({"c": np.arange(20) % 10, "d": NORMAL[:20]}).column("c").levels == ()


def test_booleans_and_two_valued_numbers() -> None:
    assert infer(ZEROS).kind == "boolean"
    assert infer(ZEROS).levels == (False, True)
    column = infer(ZEROS.astype(np.uint8))
    assert (column.kind, column.levels, column.dtype) == ("boolean", (0, 1), "uint8")


def test_labels_are_sorted_and_categories_keep_their_order() -> None:
    words = RNG.choice(["b", "a", "c"], ROWS)
    column = infer(words)
    assert (column.kind, column.levels, column.ordered) == ("categorical", ("a", "b", "c"), False)
    column = infer(pd.Categorical(words, ["c", "a", "b", "z"], ordered=True))
    assert (column.levels, column.ordered) == (("c", "a", "b", "z"), True)


def test_dates_and_durations() -> None:
    days = pd.Timestamp("2020-03-01") + pd.to_timedelta(RNG.integers(0, 900, ROWS), "D")
    column = infer(days)
    assert (column.kind, column.step) == ("datetime", 86400)
    assert infer([day.date() for day in days]).step == 86400
    zone = infer(days.tz_localize("Europe/Zurich"))
    assert (zone.kind, zone.dtype) == ("datetime", "datetime64[ns, Europe/Zurich]")
    duration = infer(pd.to_timedelta(RNG.integers(0, 900, ROWS), "min"))
    assert (duration.kind, duration.step) == ("integer", 60)


def test_repeated_rows_are_no_ties() -> None:
    x = RNG.normal(size=(200, 3))
    schema = infer_schema(np.tile(x, (5, 1)))
    assert [(c.step, c.atoms) for c in schema.columns] == [(0, ())] * 3
    # what one column repeats by itself is a tie
    tied = np.column_stack([np.repeat(NORMAL[:100], 10), FREE["free"]])
    assert infer_schema(tied).columns[0].step > 0


def test_holes_are_counted() -> None:
    values = NORMAL.copy()
    values[:250] = np.nan
    assert infer(values).missing
    assert infer(values).holes == 0.25


def test_decimals_and_mixed_numbers_are_numbers() -> None:
    assert infer([decimal.Decimal(i) for i in range(3, ROWS + 3)]).kind == "integer"
    assert infer(pd.Series([0.5, 1] * 500, dtype=object)).levels == (0.5, 1)


def test_columns_of_objects_get_a_dtype_of_their_own() -> None:
    assert infer([dt.timedelta(days=i % 90) for i in range(ROWS)]).dtype == "timedelta64[ns]"
    assert infer([decimal.Decimal(i) / 4 for i in range(ROWS)]).dtype == "float64"
    whole = pd.Series([1, 2, None] + [3] * (ROWS - 3), dtype=object)
    assert infer(whole).dtype == "Int64"


def test_huge_and_tiny_numbers_are_read() -> None:
    assert infer(NORMAL * 1e300).kind == "real"
    assert infer(NORMAL * 1e-310).kind == "real"
    assert infer(np.exp(NORMAL) * 1e200).kind == "positive"


@pytest.mark.parametrize(
    ("told", "kind", "low", "high"),
    [
        ("real", "real", -np.inf, np.inf),
        ("positive", "positive", 0, np.inf),
        ("integer", "integer", -np.inf, np.inf),
        (("bounded", 0, 10), "bounded", 0, 10),
        (["circular", 0, 7], "circular", 0, 7),
    ],
)
def test_numbers_as_told(told: object, kind: str, low: float, high: float) -> None:
    column = infer(RNG.integers(1, 8, ROWS), told)
    assert (column.kind, column.low, column.high) == (kind, low, high)
    # the ties stay
    assert (column.step, column.levels) == (1, ())


def test_a_circle_has_no_caps() -> None:
    column = infer(np.where(ZEROS, 360.0, RNG.uniform(0, 360, ROWS)), ("circular", 0, 360))
    assert (column.atoms, column.period) == ((), 360)


def test_labels_as_told() -> None:
    codes = RNG.integers(1, 4, ROWS)
    assert infer(codes, "categorical").levels == (1, 2, 3)
    assert infer(codes, "categorical").kind == "categorical"
    grades = RNG.choice(["low", "mid", "high"], ROWS)
    column = infer(grades, ("ordinal", ["low", "mid", "high", "top"]))
    assert (column.levels, column.ordered) == (("low", "mid", "high", "top"), True)
    assert infer(np.where(ZEROS, "no", "yes"), "boolean").levels == ("no", "yes")
    assert infer(["2020-01-01", "2021-05-01"] * 500, "datetime").kind == "datetime"
    assert infer(["2", "30.5"] * 500, "real").dtype == "float64"


def test_names_row_numbers_and_empty_columns_are_left_out_and_said() -> None:
    frame = pd.DataFrame({
        "who": [f"person {i}" for i in range(ROWS)],
        "row": range(1, ROWS + 1),
        "empty": None,
        "big": RNG.integers(2**60, 2**61, ROWS),
        **FREE,
        "note": NORMAL,
    })  # fmt: skip
    with pytest.warns(DataWarning, match="'who' is left out: its text hardly repeats") as caught:
        schema = infer_schema(frame, {"note": "left out"})
    assert "'row' is left out: it counts the rows" in str(caught[0].message)
    assert "'empty' is left out: it has no value" in str(caught[0].message)
    assert "'big' is left out: it holds identifiers" in str(caught[0].message)
    assert schema.names == ["free"]
    assert list(schema.left_out)[-1] == "note"
    assert list(schema.decode(schema.encode(frame)).columns) == ["free"]
    kept = infer_schema(frame[["who", "row"]], {"row": "integer", "who": "categorical"})
    assert kept.names == ["who", "row"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["1", "2", "x"] + ["3"] * 7, r"'c' mixes numbers and words: row 3 holds 'x', a word, and"),
        ([1, 2.5, "x"] + [3] * 7, r"row 3 holds 'x', a word, and row 1 holds '1', a number"),
        (["a", "b", 7] + ["a"] * 7, r"row 3 holds '7', a number, and row 1 holds 'a', a word"),
        ([True, dt.date(2020, 1, 1)] * 5, r"row 1, column 'c' holds 'True', .* row 2 a date"),
        ([1.0, np.inf] * 5, r"row 2, column 'c' holds inf"),
        ([1j] * 10, r"row 1, column 'c' .* a complex"),
        ([2**60, 2**60 + 1] * 5, r"row 1, column 'c' holds '1152921504606846976'.*2\^53"),
    ],
)
def test_values_that_make_no_column(values: list[object], message: str) -> None:
    frame = pd.DataFrame({"c": values, "free": NORMAL[:10]})
    with pytest.raises(DataError, match=message):
        infer_schema(frame)


@pytest.mark.parametrize(
    ("values", "told", "message"),
    [
        ([1.0, 0.0, -2.0], "positive", r"row 2, column 'c' holds '0.0'.*'positive'"),
        ([1.0, 2.0, 3.0], ("bounded", 0, 2.5), r"row 3, column 'c' holds '3.0'.*from 0 to 2.5"),
        ([1.0, np.nan, 2.5], "integer", r"row 3, column 'c' holds '2.5'"),
        (["a", "b", "a"], "real", r"row 1, column 'c' holds 'a'.*expected a number"),
        (["2020-01-01", "soon", "a"], "datetime", r"row 2, column 'c' holds 'soon'"),
        ([1.0, 2.0, 3.0], "datetime", r"row 1, column 'c' .*expected a date"),
        (["a", "b", "a"], ("ordinal", ["a", "z"]), r"row 2, column 'c' holds 'b'"),
        (["a", "b", "d"], "boolean", r"two levels, the data have 3"),
        ([1, 2, 3], "number", r"'number' is no kind; use one of 'real'"),
        ([1, 2, 3], ("bounded", 2, 1), r"'bounded' needs two finite numbers"),
        ([1, 2, 3], "circular", r"'circular' needs two finite numbers.*360"),
        ([1, 2, 3], "ordinal", r"'ordinal' needs its levels"),
        ([1, 2, 3], ("real", 3), r"not understood"),
        ([1, 2, 3], ("ordinal", [1, 1]), r"levels must differ"),
        ([1, 2, 3], 7, r"7 is no kind"),
        (["a", ["b"], 3], "categorical", r"row 2, column 'c' .* a list; expected a single value"),
    ],
)
def test_a_schema_that_contradicts(values: list[object], told: object, message: str) -> None:
    frame = pd.DataFrame({"c": values, "free": NORMAL[:3]})
    with pytest.raises(DataError, match=message):
        infer_schema(frame, {"c": told})


def test_a_schema_that_names_no_column() -> None:
    with pytest.raises(DataError, match=r"names 'agee', but .* did you mean 'age'.*columns: age"):
        infer_schema({"age": [1, 2, 5]}, {"agee": "real"})


def test_nothing_left_to_model() -> None:
    with pytest.raises(
        DataError, match=r"no column is left to model: column 'c' is constant \(1\)"
    ):
        infer_schema({"c": [1, 1, 1]})
