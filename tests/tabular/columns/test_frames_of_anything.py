"""Tables of mixed columns from every source, and what bad ones get."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch

from diffeo.errors import DataError
from diffeo.tabular.columns import to_frame

MIXED = {
    "count": [1, None, 3],
    "word": ["x", "y", None],
    "flag": [True, None, False],
    "day": [dt.date(2020, 1, 1), dt.date(2021, 5, 2), None],
    "number": [1.5, None, 2.0],
}
DTYPES = ["Int64", "object", "boolean", "datetime64[ms]", "float64"]


@pytest.mark.parametrize("make", [pl.DataFrame, pa.table])
def test_arrow_tables_keep_integers_and_booleans_with_holes(make) -> None:  # type: ignore[no-untyped-def]
    frame = to_frame(make(MIXED))
    assert [str(dtype) for dtype in frame.dtypes] == DTYPES
    assert frame["count"].tolist() == [1, pd.NA, 3]
    assert frame["word"].tolist() == ["x", "y", None]
    assert frame["day"].tolist()[:2] == [pd.Timestamp("2020-01-01"), pd.Timestamp("2021-05-02")]


def test_polars_categories_become_categories() -> None:
    frame = to_frame(pl.DataFrame({"c": pl.Series(["u", "v", "u"], dtype=pl.Categorical)}))
    assert str(frame.c.dtype) == "category"
    assert frame.c.tolist() == ["u", "v", "u"]


def test_csv_has_types_holes_and_dates(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("count,word,flag,day,number\n1,x,True,2020-01-01,1.5\nNA,y,,2021-05-02,\n"
                    "3,,False,null,2\n")  # fmt: skip
    frame = to_frame(path)
    assert [str(dtype) for dtype in frame.dtypes] == DTYPES
    assert frame.isna().sum().tolist() == [1, 1, 1, 1, 1]


def test_csv_of_numbers_alone_has_no_header(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("\n1,2.5\n3,4\n")
    frame = to_frame(str(path))
    assert list(frame.columns) == ["x0", "x1"]
    assert frame.to_numpy().tolist() == [[1, 2.5], [3, 4]]


def test_a_word_behind_many_numbers_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a\n" + "12345\n" * 400_000 + "word\n")
    assert to_frame(path).a.iloc[-1] == "word"


def test_parquet_and_arrays_keep_their_dtypes(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": np.array([1, 2], np.int8), "b": pd.Categorical(["u", "v"])})
    frame.to_parquet(tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(to_frame(tmp_path / "t.parquet"), frame)
    array = np.array([[1, np.nan], [3, 4]], dtype=np.float32)
    np.save(tmp_path / "t.npy", array)
    np.savez(tmp_path / "t.npz", X=array, context=np.arange(2))
    assert to_frame(tmp_path / "t.npy").x1.isna().tolist() == [True, False]
    assert str(to_frame(tmp_path / "t.npy").x0.dtype) == "float32"
    assert list(to_frame(tmp_path / "t.npz").columns) == ["x0", "x1", "c0"]


def test_arrays_tensors_and_columns() -> None:
    assert list(to_frame(torch.zeros(3, 2)).columns) == ["x0", "x1"]
    assert list(to_frame(np.zeros(3, np.uint8)).dtypes) == [np.uint8]
    assert list(to_frame(pd.Series([1, 2], name="s")).columns) == ["s"]
    assert list(to_frame(pd.DataFrame({0: [1], "b": [2]}, index=[7])).columns) == ["0", "b"]


def test_rows_are_counted_from_zero_and_the_given_frame_stays() -> None:
    given = pd.DataFrame({0: [1, 2]}, index=[5, 5])
    assert to_frame(given).index.tolist() == [0, 1]
    assert given.index.tolist() == [5, 5]
    assert given.columns.tolist() == [0]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (pd.DataFrame([[1, 2, 3]], columns=["a", "b", "a"]), "two columns are called 'a'"),
        (pd.DataFrame([[1, 2]], columns=["1", 1]), "two columns are called '1'"),
        (pd.DataFrame({"a": []}), "0 rows and 1 columns"),
        (pl.DataFrame(), "0 rows and 0 columns"),
        ({"a": [1, 2], "b": [1]}, r"lengths \{'a': 2, 'b': 1\}"),
        (np.zeros((2, 2, 2)), r"shape \(rows, columns\), got float64 values of shape \(2, 2, 2\)"),
        (np.array([["a", "b"]]), "mixed columns as a frame"),
        (3, "expected a table .* got int"),
    ],
)
def test_no_table(data: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        to_frame(data)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,a\n1,2\n", "two columns are called 'a'"),
        ("a,b\n1,2\n3\n", "does not parse as CSV: .*Expected 2 columns, got 1"),
        ("a;b\n1;2\n", "separated by ';'"),
        ("a,b\n", "0 rows"),
        ("", "is empty"),
    ],
)
def test_bad_csv_of_mixed_columns(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        to_frame(path)
