"""Frames of mixed columns come back from the files that they were written to."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from diffeo.errors import DataError
from diffeo.tabular.columns import to_frame
from diffeo.tabular.frame_writing import frame_writer


def written(path: Path, *frames: pd.DataFrame) -> Path:
    with frame_writer(path) as write:
        for frame in frames:
            write(frame)
    return path


def table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "label": ["a", None, 'quoted "b", too'],
            "kind": pd.Categorical(["x", "y", None]),
            "count": pd.array([1, None, 3], dtype="Int64"),
            "flag": pd.array([True, None, False], dtype="boolean"),
            "number": [0.1, None, 1e-300],
            "day": pd.to_datetime(["2024-02-29", None, "2024-03-01"]),
            "moment": pd.to_datetime(["2024-02-29 12:30:01", None, "2024-03-01 00:00:00"]),
            "clock": pd.to_timedelta(["12:30:00", None, "00:00:01"]),
        }
    )


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_what_is_written_is_read(tmp_path: Path, suffix: str) -> None:
    frame = table()
    found = to_frame(written(tmp_path / f"t{suffix}", frame, frame[::-1]))
    expected = pd.concat([frame, frame[::-1]], ignore_index=True)
    assert list(found.columns) == list(frame.columns)
    for name in frame.columns:
        pd.testing.assert_series_equal(
            found[name].astype(object).where(found[name].notna(), None),
            expected[name].astype(object).where(expected[name].notna(), None),
            check_dtype=False,
        )


def test_dates_and_times_are_written_as_people_write_them(tmp_path: Path) -> None:
    frame = table()[["day", "moment", "clock"]].assign(long=pd.to_timedelta(["3 days"] * 3))
    lines = written(tmp_path / "t.csv", frame).read_text().splitlines()
    assert lines[1].startswith("2024-02-29,2024-02-29 12:30:01,12:30:00")
    assert lines[1].endswith('"3 days 00:00:00"')


def test_labels_of_several_kinds_become_text(tmp_path: Path) -> None:
    path = written(tmp_path / "t.parquet", pd.DataFrame({"a": ["x", 1.5, None]}))
    assert pd.read_parquet(path).a.tolist() == ["x", "1.5", None]


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    numbers, words = pd.DataFrame({"a": [1, 2]}), pd.DataFrame({"a": ["x"]})
    with pytest.raises(ValueError, match="x"), frame_writer(path) as write:
        list(map(write, [numbers, words]))
    assert not list(tmp_path.iterdir())


def test_a_whole_table_decides_the_types_of_its_parts(tmp_path: Path) -> None:
    frame = table().iloc[[1, 2, 0]].drop(columns=["label", "clock"]).reset_index(drop=True)
    frame = frame.assign(late=[None, None, "word"], mixed=[1, 2, "three"])
    parts = [frame.iloc[i : i + 1] for i in range(3)]
    for suffix in (".csv", ".parquet"):
        whole = to_frame(written(tmp_path / f"whole{suffix}", frame))
        path = tmp_path / f"parts{suffix}"
        with frame_writer(path, frame) as write:
            list(map(write, parts))
        pd.testing.assert_frame_equal(to_frame(path), whole)


def test_no_time_of_day_is_lost(tmp_path: Path) -> None:
    days, moments = table()[["day"]], table()[["moment"]].rename(columns={"moment": "day"})
    with pytest.raises(DataError, match="column 'day' holds times of day"):
        written(tmp_path / "t.csv", days, moments)
    written(tmp_path / "t.parquet", days, moments)
