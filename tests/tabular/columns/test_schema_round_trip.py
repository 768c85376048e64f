"""Encoding and decoding whole tables, the schema as JSON, and its description."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from diffeo.errors import DataError
from diffeo.tabular.columns import Schema, infer_schema, to_frame

ROWS = 600
RNG = np.random.default_rng(2)


def mixed() -> pd.DataFrame:
    """Every dtype, with holes in half of the columns."""
    start = pd.Timestamp("2019-12-31 23:59:00")
    seconds = pd.to_timedelta(RNG.integers(0, 10**7, ROWS), "s")
    words = RNG.choice(["a", "b", "c"], ROWS).astype(object)
    frame = pd.DataFrame({
        "age": RNG.integers(18, 90, ROWS),
        "tiny": RNG.integers(0, 200, ROWS).astype("uint8"),
        "income": np.exp(RNG.normal(10, 1, ROWS)).round(2),
        "exact": RNG.normal(size=ROWS),
        "single": RNG.normal(size=ROWS).astype("float32"),
        "zeros": np.where(RNG.random(ROWS) < 0.4, 0, RNG.normal(size=ROWS).round(3)),
        "tenth": RNG.normal(size=ROWS).round(1),
        "few": RNG.choice([0.1, 0.7, 1.3], ROWS),
        "city": words,
        "grade": pd.Categorical(RNG.choice(["lo", "hi"], ROWS), ["lo", "mid", "hi"], ordered=True),
        "flag": RNG.random(ROWS) < 0.3,
        "constant": "same",
        "day": start.normalize() + pd.to_timedelta(RNG.integers(0, 900, ROWS), "D"),
        "zone": (start + seconds).tz_localize("UTC").tz_convert("Europe/Zurich"),
        "took": pd.to_timedelta(RNG.integers(0, 10**6, ROWS), "ms"),
        "old": np.datetime64("1066-10-14", "s") + RNG.integers(0, 10**9, ROWS),
    })  # fmt: skip
    frame["nullable"] = frame.age.astype("Int64") % 30
    frame["maybe"] = frame.flag.sample(frac=1, random_state=0).to_numpy()
    frame["maybe"] = frame.maybe.astype("boolean")
    frame["text"] = pd.Series(RNG.choice(["u", "v"], ROWS), dtype="string")
    for name in ("income", "exact", "few", "city", "grade", "day", "zone", "nullable", "maybe"):
        frame.loc[RNG.random(ROWS) < 0.2, name] = None
    return frame


def test_mixed_data_with_holes_come_back_exactly() -> None:
    frame = mixed()
    schema = infer_schema(frame)
    codes = schema.encode(frame)
    assert codes.dtype == np.float64
    assert codes.shape == (ROWS, len(schema.columns))
    pd.testing.assert_frame_equal(schema.decode(codes), frame)
    held = np.isnan(codes).any(axis=0).tolist()
    assert [column.missing for column in schema.columns] == held


def test_json_holds_the_whole_schema() -> None:
    schema = infer_schema(mixed(), {"tiny": ("circular", 0, 256)})
    text = json.dumps(schema.to_json(), allow_nan=False)
    assert Schema.from_json(json.loads(text)) == schema


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_files_round_trip(tmp_path: Path, suffix: str) -> None:
    frame = mixed().drop(columns=["took"])  # CSV has no durations
    path = tmp_path / f"t.{suffix}"
    if suffix == "csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path)
    from_file, from_frame = infer_schema(path), infer_schema(frame)
    assert from_file.names == from_frame.names
    # single precision is written with fewer digits than it has in double
    np.testing.assert_allclose(from_frame.encode(path), from_frame.encode(frame), rtol=1e-6)
    pd.testing.assert_frame_equal(from_file.decode(from_file.encode(path)), to_frame(path))


def test_polars_is_read_like_pandas() -> None:
    frame = mixed().drop(columns=["old"])
    schema = infer_schema(frame)
    as_polars = pl.from_pandas(frame)
    np.testing.assert_array_equal(schema.encode(as_polars), schema.encode(frame))
    assert infer_schema(as_polars).names == schema.names


def test_columns_are_found_by_name() -> None:
    frame = mixed()
    schema = infer_schema(frame)
    turned = frame[frame.columns[::-1]].assign(extra=1).drop(columns="constant")
    np.testing.assert_array_equal(schema.encode(turned), schema.encode(frame))
    with pytest.raises(DataError, match="no column 'age'; did you mean 'agee'"):
        schema.encode(frame.rename(columns={"age": "agee"}))
    partial = schema.encode(frame[["age"]], allow_missing_columns=True)
    assert np.isnan(partial).sum() == partial.size - ROWS


def small() -> Schema:
    n = 300
    return infer_schema(
        {
            "city": RNG.choice(["a", "b"], n),
            "few": RNG.choice([0.1, 0.7], n),
            "size": np.exp(RNG.normal(size=n)),
            "when": pd.Timestamp("2020-01-01") + pd.to_timedelta(RNG.integers(0, 99, n), "D"),
            "angle": RNG.uniform(0, 360, n).round(1),
            "share": RNG.uniform(size=n),
            "code": RNG.choice(["1", "2"], n),
        },
        {"angle": ("circular", 0, 360), "share": ("bounded", 0, 1), "code": "categorical"},
    )


ROW = {"city": "a", "few": 0.1, "size": 1.0, "when": pd.Timestamp("2020-01-05"),
       "angle": 10.0, "share": 0.5, "code": "1"}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("city", "z", 2),
        ("few", 0.7, 1),
        ("few", np.float32(0.7), 1),
        ("few", 0.4, 2),
        ("when", pd.Timestamp("1900-01-01"), -2208988800),
        ("when", "2020-01-02", 1577923200),
        ("angle", 365.0, 5),
        ("angle", -90.0, 270),
        ("code", 2, 1),
        ("code", 2.0, 1),
        ("size", "2.5", 2.5),
        ("size", None, np.nan),
        ("size", -1.0, -1),
    ],
)
def test_values_new_in_scoring(name: str, value: object, code: float) -> None:
    schema = small()
    encoded = schema.encode({k: [value if k == name else v] for k, v in ROW.items()})
    np.testing.assert_array_equal(encoded[0, schema.names.index(name)], code)


@pytest.mark.parametrize(
    ("name", "value", "strict", "message"),
    [
        ("size", "big", False, "row 2, column 'size' holds 'big', which is text; expected a num"),
        ("size", np.inf, False, "row 2, column 'size' holds inf"),
        ("when", "soon", False, "row 2, column 'when' holds 'soon'.*expected a date"),
        ("city", "z", True, "row 2, column 'city' holds 'z'.*one of 'a', 'b'"),
        ("few", 0.4, True, "row 2, column 'few' holds '0.4'.*one of 0.1, 0.7"),
        ("size", 0.0, True, "row 2, column 'size' holds '0.0'.*a value above 0"),
        ("share", 1.5, True, "row 2, column 'share' holds '1.5'.*from 0 to 1"),
    ],
)
def test_values_that_cannot_be(name: str, value: object, strict: bool, message: str) -> None:
    rows = {k: [v, value if k == name else v] for k, v in ROW.items()}
    with pytest.raises(DataError, match=message):
        small().encode(rows, strict=strict)


def test_samples_are_rounded_bounded_and_wrapped() -> None:
    schema = infer_schema(
        {
            "age": RNG.integers(18, 90, ROWS).astype(np.int16),
            "tenth": RNG.normal(size=ROWS).round(1),
            "free": RNG.normal(size=ROWS).round(6),
            "share": RNG.uniform(size=ROWS),
            "hour": RNG.integers(0, 24, ROWS),
            "cap": np.minimum(RNG.normal(size=ROWS), 0.5),
        },
        {"share": ("bounded", 0, 1), "hour": ("circular", 0, 24)},
    )
    rows = [[20.4, 0.26, 0.12345678, 1.2, 23.7, 0.5], [np.nan, -0.04, 0, -0.1, 25, 0.123]]
    frame = schema.decode(rows)
    assert frame.age.tolist() == [20, pd.NA]
    assert str(frame.age.dtype) == "Int16"
    assert frame.tenth.tolist() == [0.3, 0]
    assert frame.free.tolist() == [0.123457, 0]
    assert frame.share.tolist() == [1, 0]
    assert frame.hour.tolist() == [0, 1]
    assert frame.cap.tolist() == [0.5, 0.123]
    with pytest.raises(DataError, match=r"codes of shape \(rows, 6\), got \(2, 5\)"):
        schema.decode(np.zeros((2, 5)))


def test_samples_beyond_a_dtype_end_at_its_bounds() -> None:
    days = pd.Timestamp("2020-01-01") + pd.to_timedelta(RNG.integers(0, 99, ROWS), "D")
    tiny = RNG.integers(0, 100, ROWS).astype(np.uint8)
    large = RNG.integers(0, 10**6, ROWS)
    schema = infer_schema({"day": days, "tiny": tiny, "large": large})
    frame = schema.decode([[1e30, 300.0, 1e30], [-1e30, -5.0, -1e30]])
    assert frame.day.dt.year.tolist() == [2255, 1684]
    assert frame.tiny.tolist() == [255, 0]
    assert frame.large.tolist() == [2**63 - 1024, -(2**63)]


def test_an_atom_is_met_in_single_precision_too() -> None:
    values = np.where(RNG.random(ROWS) < 0.4, 0.1, RNG.normal(size=ROWS))
    schema = infer_schema({"a": values, "b": RNG.normal(size=ROWS)})
    assert schema.column("a").atoms == (0.1,)
    codes = schema.encode({"a": np.array([0.1], np.float32), "b": [0.0]})
    assert codes[0, 0] == 0.1


def test_description_names_every_column() -> None:
    frame = mixed().assign(hour=RNG.integers(0, 24, ROWS), who=[f"p{i}" for i in range(ROWS)])
    schema = infer_schema(frame, {"hour": ("circular", 0, 24), "who": "left out"})
    rows = {row["name"]: row for row in schema.table()}
    assert set(rows) == set(frame.columns)
    assert all(isinstance(value, str) for row in rows.values() for value in row.values())
    assert rows["hour"]["note"].startswith("period 24")
    assert rows["day"]["note"] == "in steps of 1 day"
    assert "heaped at 0" in rows["zeros"]["note"]
    assert rows["city"]["values"] == "a, b, c"
    assert rows["city"]["missing"].endswith("%")
    assert rows["constant"]["note"] == "column 'constant' is constant ('same')"
    assert rows["who"]["note"] == "left out: as the schema says"


def test_a_column_is_asked_for_by_name() -> None:
    schema = infer_schema(mixed())
    assert schema.column("constant").levels == ("same",)
    with pytest.raises(DataError, match="no column 'agee'; did you mean 'age'"):
        schema.column("agee")


def test_a_schema_is_kept_as_it_is() -> None:
    schema = small()
    assert infer_schema({"other": [1, 2]}, schema) is schema


@pytest.mark.parametrize("shape", [(100_000, 10), (2000, 1555)])
def test_large_tables_are_understood_in_seconds(shape: tuple[int, int]) -> None:
    table = RNG.normal(size=shape) if shape[1] == 10 else RNG.integers(0, 2, shape)
    start = time.process_time()
    schema = infer_schema(table)
    schema.decode(schema.encode(table))
    assert time.process_time() - start < 10
    assert len(schema.columns) == shape[1]
