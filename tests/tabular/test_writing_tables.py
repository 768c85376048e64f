"""Writing tables: exact numbers, whole files or none."""

from __future__ import annotations

import csv
import errno
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from diffeo.errors import DataError
from diffeo.tabular import table_writer


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_numbers_survive(tmp_path: Path, suffix: str) -> None:
    generator = np.random.default_rng(0)
    single = (generator.normal(size=500) * 10.0 ** generator.integers(-30, 30, 500)).astype("f4")
    double = generator.normal(size=500) * 10.0 ** generator.integers(-300, 300, 500)
    path = tmp_path / f"t.{suffix}"
    with table_writer(path) as write:
        write({"a, 'single'": single[:200], "b": double[:200]})
        write({"a, 'single'": single[200:], "b": double[200:]})
    if suffix == "csv":
        with open(path, newline="") as file:
            header, *rows = csv.reader(file)
        columns = np.array(rows, dtype=float).T
    else:
        table = pq.read_table(path)
        header, columns = table.column_names, [column.to_numpy() for column in table.columns]
    assert header == ["a, 'single'", "b"]
    np.testing.assert_array_equal(columns[0].astype("f4"), single)
    np.testing.assert_array_equal(columns[1], double)


def test_single_precision_is_written_short(tmp_path: Path) -> None:
    with table_writer(tmp_path / "t.csv") as write:
        write({"a": np.array([0.1, 1 / 3], np.float32)})
    assert (tmp_path / "t.csv").read_text() == "a\n0.1\n0.33333334\n"


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_failure_leaves_what_was_there(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"t.{suffix}"
    path.write_text("before")
    with pytest.raises(RuntimeError, match="late"), table_writer(path) as write:  # noqa: PT012
        write({"a": np.ones(10)})
        raise RuntimeError("late")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


class FullDisk:
    """A file that takes no more than some bytes."""

    def __init__(self, file: object, room: int) -> None:
        self.file, self.room = file, room

    def __enter__(self) -> FullDisk:
        self.file.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.file.__exit__(*error)

    def __getattr__(self, name: str) -> object:
        return getattr(self.file, name)

    def write(self, data: bytes) -> int:
        self.room -= len(data)
        if self.room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self.file.write(data)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_full_disk_leaves_nothing(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "diffeo.tabular.writing.open",
        lambda *a: FullDisk(open(*a), 3000),  # noqa: SIM115
        raising=False,
    )
    values = np.random.default_rng(0).normal(size=200)
    with (  # noqa: PT012
        pytest.raises(OSError, match="No space left"),
        table_writer(tmp_path / f"t.{suffix}") as write,
    ):
        for _ in range(50):
            write({"a": values})
    assert not list(tmp_path.iterdir())


def test_other_suffix() -> None:
    with pytest.raises(DataError, match=r"\.csv and \.parquet"), table_writer("t.xlsx"):
        pass
