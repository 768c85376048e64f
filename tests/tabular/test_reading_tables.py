"""Reading tables: every format, in chunks, and what bad files get."""

from __future__ import annotations

import decimal
import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from diffeo.errors import DataError
from diffeo.tabular import iter_table, open_table, read_table

VALUES = np.random.default_rng(0).normal(size=(50, 3)) * [1e-7, 1.0, 1e9]


def write_csv(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8", newline="")
    return path


@pytest.fixture(params=["csv", "parquet", "npy", "npz"])
def table(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"t.{request.param}"
    names = ["x0", "x1", "x2"]
    if path.suffix == ".csv":
        rows = [",".join(map(repr, row)) for row in VALUES.tolist()]
        write_csv(path, "\n".join([",".join(names), *rows]))
    elif path.suffix == ".parquet":
        pq.write_table(pa.table(dict(zip(names, VALUES.T, strict=True))), path)
    elif path.suffix == ".npy":
        np.save(path, VALUES)
    else:
        np.savez(path, X=VALUES)
    return path


def test_reads_numbers_exactly(table: Path) -> None:
    frame = read_table(table)
    assert list(frame.columns) == ["x0", "x1", "x2"]
    np.testing.assert_array_equal(frame.to_numpy(), VALUES)


def test_chunks_cover_all_rows_in_order(table: Path) -> None:
    frames = list(iter_table(table, ["x2", "x0"], chunk_rows=7))
    assert max(len(frame) for frame in frames) == 7
    np.testing.assert_array_equal(np.concatenate(frames), VALUES[:, [2, 0]])
    assert [i for frame in frames for i in frame.index] == list(range(50))


def test_missing_column_is_named_with_the_nearest(table: Path) -> None:
    with pytest.raises(DataError, match=r"no column 'x22'; did you mean 'x2'.*x0, x1, x2"):
        read_table(table, ["x22"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("a,b\n", "has no rows"),
        ("a,b\n1,2\n3,abc\n", r"row 2 \(line 3\), column 'b' holds 'abc'"),
        ("\n\na,b\n1,2\n\n3,abc\n", r"row 2 \(line 6\), column 'b' holds 'abc'"),
        ("a,b\n1,2\n3,\n", r"row 2 \(line 3\), column 'b' is empty"),
        ("a,b\n1,NA\n", r"row 1 \(line 2\), column 'b' holds 'NA'"),
        ("a,b\n1,2\nnan,2\n", r"row 2 \(line 3\), column 'a' holds 'nan'"),
        ("a,b\n1,-inf\n", r"row 1 \(line 2\), column 'b' holds '-inf'"),
        ("a,b\n1,1e400\n", r"row 1 \(line 2\), column 'b' holds '1e400'"),
        ("a,b\n1,1_0\n", r"row 1 \(line 2\), column 'b' holds '1_0'"),
        ("a,b\n1,2\n3\n", r"row 2 \(line 3\) has 1 values, but there are 2 columns"),
        ("a,b\n1,2\n3,4,5\n", r"row 2 \(line 3\) has 3 values, but there are 2 columns"),
        ("a;b\n1;2\n", "separated by ';'"),
        (",b\n1,2\n", "column 1 has no name"),
        ("a,a\n1,2\n", "two columns are called 'a'"),
    ],
)
def test_bad_csv(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_table(write_csv(tmp_path / "t.csv", text))


def test_bad_cell_far_into_a_file_is_named(tmp_path: Path) -> None:
    rows = ["0.123456789012345678,0.123456789012345678"] * 300_000
    rows[250_000] = "1,oops"
    path = write_csv(tmp_path / "t.csv", "\n".join(["a,b", *rows]))
    chunks = iter_table(path)
    assert len(next(chunks)) > 0
    with pytest.raises(DataError, match=r"row 250001 \(line 250002\), column 'b' holds 'oops'"):
        list(chunks)


def test_columns_that_are_not_chosen_may_hold_anything(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "t.csv", 'name,,b\n"two\nlines",,1\nx,nan,2\n')
    assert read_table(path, ["b"])["b"].tolist() == [1.0, 2.0]


def test_csv_from_a_spreadsheet(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "t.csv", '\ufeff"a", b\r\n"1", +2.5\r\n\r\n')
    assert read_table(path).to_dict("list") == {"a": [1.0], "b": [2.5]}


def test_csv_without_header_gets_numbered_columns(tmp_path: Path) -> None:
    table = open_table(write_csv(tmp_path / "t.csv", "1,2\n3,4\n"))
    assert (table.named, table.columns) == (False, ["x0", "x1"])
    assert table.frame().to_numpy().tolist() == [[1, 2], [3, 4]]


def test_csv_in_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("größe,b\n1,2\n".encode("latin-1"))
    with pytest.raises(DataError, match="not text in UTF-8"):
        read_table(path)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"a": [1.0, None]}, "row 2, column 'a' is empty or NaN"),
        ({"a": [1.0, np.inf]}, "row 2, column 'a' holds inf"),
        ({"a": ["x", "y"]}, "column 'a' has the type string"),
        ({"a": pa.array([], pa.float64())}, "has no rows"),
    ],
)
def test_bad_parquet(tmp_path: Path, columns: dict[str, object], message: str) -> None:
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    with pytest.raises(DataError, match=message):
        read_table(tmp_path / "t.parquet")


def test_numeric_types_of_parquet(tmp_path: Path) -> None:
    columns = {
        "decimal": [decimal.Decimal("1.5")],
        "bool": [True],
        "half": np.array([0.25], np.float16),
        "int": [2**60],
    }
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet").to_numpy().tolist() == [[1.5, 1, 0.25, 2.0**60]]


@pytest.mark.parametrize("name", ["t.parquet", "t.npy", "t.npz"])
def test_damaged_files(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if path.suffix == ".parquet":
        pq.write_table(pa.table({"a": np.arange(1000.0)}), path)
    else:
        (np.save if path.suffix == ".npy" else np.savez)(path, np.arange(1000.0))
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(DataError, match=r"damaged|not a whole Parquet"):
        read_table(path)


class Trap:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("form", ["object array", "bare pickle"])
def test_a_pickle_is_never_loaded(tmp_path: Path, form: str) -> None:
    path, sprung = tmp_path / "t.npy", tmp_path / "sprung"
    if form == "object array":
        np.save(path, np.array([Trap(sprung)], dtype=object), allow_pickle=True)
    else:
        path.write_bytes(pickle.dumps(Trap(sprung)))
    with pytest.raises(DataError, match="never loaded"):
        read_table(path)
    assert not sprung.exists()


def test_npz_with_context(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", X=VALUES, context=VALUES[:, 0])
    table = open_table(tmp_path / "t.npz")
    assert table.columns == ["x0", "x1", "x2", "c0"]
    assert table.context_columns == ["c0"]
    np.testing.assert_array_equal(table.frame(["c0"]).to_numpy()[:, 0], VALUES[:, 0])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": VALUES, "b": VALUES}, "arrays a, b; name the one with the data 'X'"),
        ({"X": VALUES, "context": VALUES[:3]}, "'context' has 3 rows, the data have 50"),
        ({"X": VALUES[None]}, r"shape \(1, 50, 3\)"),
        ({"X": VALUES.astype(complex)}, "complex128"),
        ({"X": VALUES[:0]}, "no rows"),
    ],
)
def test_bad_npz(tmp_path: Path, arrays: dict[str, np.ndarray], message: str) -> None:
    np.savez(tmp_path / "t.npz", **arrays)
    with pytest.raises(DataError, match=message):
        read_table(tmp_path / "t.npz")


def test_npy_without_rows(tmp_path: Path) -> None:
    np.save(tmp_path / "t.npy", VALUES[:0])
    with pytest.raises(DataError, match="no rows"):
        read_table(tmp_path / "t.npy")


def test_an_array_under_the_other_suffix(tmp_path: Path) -> None:
    with open(tmp_path / "t.npz", "wb") as file:
        np.save(file, VALUES)
    with pytest.raises(DataError, match="damaged"):
        read_table(tmp_path / "t.npz")


def test_other_suffix_and_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\.csv, \.parquet, \.npy, \.npz"):
        open_table(tmp_path / "t.xlsx")
    with pytest.raises(FileNotFoundError):
        open_table(tmp_path / "t.csv")
