"""What bad input gets: exit code 2, one line that says what and where, and no file."""

from __future__ import annotations

import errno
import os
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from cli_tables import refused, values, write_csv

import diffeo


def table_of(kind: str, folder: Path) -> Path:
    path = folder / "bad.csv"
    table = values()
    if kind == "empty":
        path.write_text("")
    elif kind == "header":
        path.write_text("a,b,c\n")
    elif kind == "names":
        write_csv(path, table, "a,b,d")
    elif kind == "width":
        write_csv(path, table[:, :2], "a,b")
    elif kind == "few":
        write_csv(path, table[:5], "a,b,c")
    elif kind == "constant":
        table[:, 1] = 3
        write_csv(path, table, "a,b,c")
    elif kind == "identical":
        table[:, 1] = table[:, 0]
        write_csv(path, table, "a,b,c")
    else:
        lines = write_csv(path, table, "a,b,c").read_text().splitlines()
        cells = lines[17].split(",")
        lines[17] = ",".join([cells[0], kind, cells[2]])
        path.write_text("\n".join(lines))
    return path


FILES = [
    ("empty", "is empty"),
    ("header", "has no rows"),
    ("names", "no column 'c'"),
    ("width", "no column 'c'"),
    ("abc", "row 17 (line 18), column 'b' holds 'abc'"),
    ("nan", "row 17 (line 18), column 'b' holds 'nan'"),
    ("inf", "row 17 (line 18), column 'b' holds 'inf'"),
    ("", "row 17 (line 18), column 'b' is empty"),
    ("1e39", "row 17 (line 18), column 'b' holds 1e+39, too large for float32"),
]
ONLY_FIT = [
    ("few", "need at least"),
    ("constant", "have no density: b; drop them"),
    ("identical", "columns 'a' and 'b' are identical"),
]


@pytest.mark.parametrize(("kind", "message"), FILES + ONLY_FIT)
def test_fit_to_a_bad_table(run, made: Path, tmp_path: Path, kind: str, message: str) -> None:
    bad = table_of(kind, tmp_path)
    arguments = ["--columns", "a,b,c", "--config", made / "config.json", "--model", "nsf"]
    result = run("fit", bad, "-o", tmp_path / "m.safetensors", *arguments)
    refused(result, message, tmp_path, bad)


@pytest.mark.parametrize(("kind", "message"), FILES)
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_score_a_bad_table(run, made, tmp_path, kind: str, message: str, suffix: str) -> None:
    bad = table_of(kind, tmp_path)
    result = run("score", made / "plain.safetensors", bad, "-o", tmp_path / f"s.{suffix}")
    refused(result, message, tmp_path, bad)


@pytest.mark.parametrize(("kind", "message"), FILES[:3] + FILES[4:5])
def test_compare_and_sample_on_a_bad_table(run, made, tmp_path, kind, message) -> None:
    bad = table_of(kind, tmp_path)
    model, given = made / "plain.safetensors", made / "given.safetensors"
    refused(run("compare", model, model, bad), message, tmp_path, bad)
    if kind != "abc":  # b is no context of the model
        result = run("sample", given, "-n", 2, "--context", bad, "-o", tmp_path / "x.csv")
        refused(result, message, tmp_path, bad)


def test_a_bad_row_late_in_a_file_leaves_nothing(run, made: Path, tmp_path: Path) -> None:
    table = values(40_000)
    table[39_000, 2] = np.nan
    bad = write_csv(tmp_path / "t.csv", table, "a,b,c")
    result = run("score", made / "plain.safetensors", bad, "-o", tmp_path / "s.csv")
    refused(result, "row 39001 (line 39002), column 'c' holds 'nan'", tmp_path, bad)


def test_wrong_width_of_a_nameless_table(run, made: Path, tmp_path: Path) -> None:
    bad = tmp_path / "t.npy"
    np.save(bad, values()[:, :2])
    result = run("score", made / "plain.safetensors", bad, "-o", tmp_path / "s.csv")
    refused(result, "has 2 columns, but the model needs 3 in this order: a, b, c", tmp_path, bad)


def test_context_that_is_missing_wrong_or_too_much(run, made: Path, tmp_path: Path) -> None:
    plain, given, out = made / "plain.safetensors", made / "given.safetensors", tmp_path / "x.csv"
    refused(run("sample", given, "-n", 2, "-o", out), "conditional on c, a; give a table", tmp_path)
    wide = tmp_path / "c.npy"
    np.save(wide, values()[:, :1])
    result = run("sample", given, "-n", 2, "-o", out, "--context", wide)
    refused(result, "has 1 columns, but the model needs 2 in this order: c, a", tmp_path, wide)
    result = run("sample", plain, "-n", 2, "-o", out, "--context", wide)
    refused(result, "not conditional; leave out --context", tmp_path, wide)
    bad = write_csv(tmp_path / "t.csv", values()[:, :2], "a,b")
    result = run("score", given, bad, "-o", out)
    refused(result, "no column 'c'", tmp_path, wide, bad)


def test_a_row_outside_the_support(run, tmp_path: Path) -> None:
    model = tmp_path / "m.safetensors"
    diffeo.NSF(1, layers=1, hidden=[8], supports=diffeo.positive()).save(model)
    bad = write_csv(tmp_path / "t.csv", np.array([[1.0], [-2.0]]), "a")
    result = run("score", model, bad, "-o", tmp_path / "s.csv")
    message = "row 2 (line 3), column 'a' holds -2, outside the model's support [positive()]"
    refused(result, message, tmp_path, model, bad)


class Trap:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("command", ["score", "sample", "info", "check", "compare"])
@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("truncated", "truncated"),
        ("empty", "is empty"),
        ("foreign", "diffeo did not write it"),
        ("text", "not a safetensors file"),
        ("pickle", "never unpickles"),
        ("torch", "never unpickles"),
        ("absent", "No such file"),
    ],
)
def test_a_file_that_is_no_model(run, made, tmp_path, command, kind, message) -> None:
    bad, sprung = tmp_path / "bad.safetensors", tmp_path / "sprung"
    if kind == "truncated":
        bad.write_bytes((made / "plain.safetensors").read_bytes()[:-100])
    elif kind == "foreign":
        from safetensors.torch import save_file

        save_file({"w": torch.zeros(2)}, bad)
    elif kind == "pickle":
        bad.write_bytes(pickle.dumps(Trap(sprung)))
    elif kind == "torch":
        torch.save(Trap(sprung), bad)
    elif kind != "absent":
        bad.write_text("" if kind == "empty" else "a,b,c\n1,2,3\n")
    out = ["-o", tmp_path / "out.csv"]
    rest = {
        "score": [made / "table.csv", *out],
        "sample": ["-n", 3, *out],
        "compare": [made / "plain.safetensors", made / "table.csv"],
    }
    result = run(command, bad, *rest.get(command, []))
    refused(result, message, tmp_path, *([] if kind == "absent" else [bad]))


def full_disk(*arguments, **more):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("command", ["fit", "score", "sample"])
def test_a_full_disk(run, made: Path, tmp_path: Path, monkeypatch, command: str) -> None:
    monkeypatch.setattr("os.fsync", full_disk)
    model, table = made / "plain.safetensors", made / "table.csv"
    arguments = {
        "fit": [table, "--config", made / "config.json", "-o", tmp_path / "m.safetensors"],
        "score": [model, table, "-o", tmp_path / "s.csv"],
        "sample": [model, "-n", 5, "-o", tmp_path / "s.csv"],
    }
    refused(run(command, *arguments[command]), "No space left on device", tmp_path)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("absent/o.SUFFIX", "the folder"),
        ("folder.SUFFIX", "it is a folder"),
        ("o.txt", "the name must end in"),
    ],
)
@pytest.mark.parametrize("command", ["fit", "score", "sample"])
def test_outputs_that_cannot_be(run, made, tmp_path, monkeypatch, output, message, command) -> None:
    # refused before any work
    monkeypatch.setattr(diffeo.NSF, "fit", None)
    monkeypatch.setattr(diffeo.NSF, "_log_prob", None)
    output = tmp_path / output.replace("SUFFIX", "safetensors" if command == "fit" else "csv")
    if output.name.startswith("folder"):
        output.mkdir()
    model, table = made / "plain.safetensors", made / "table.csv"
    inputs = {"fit": [table], "score": [model, table], "sample": [model, "-n", 3]}
    result = run(command, *inputs[command], "-o", output)
    refused(result, message, tmp_path, *([output] if output.is_dir() else []))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
def test_an_unwritable_folder(run, made: Path, tmp_path: Path) -> None:
    folder = tmp_path
    if os.geteuid() == 0:
        folder = Path("/proc")  # which not even root can write to
    else:
        folder.chmod(0o500)
    result = run("fit", made / "table.csv", "-o", folder / "m.safetensors")
    assert result.code == 2
    assert f"cannot write to the folder {folder}" in result.err


def test_an_output_that_is_an_input(run, made: Path, tmp_path: Path) -> None:
    table = write_csv(tmp_path / "t.csv", values(), "a,b,c")
    before = table.read_bytes()
    result = run("score", made / "plain.safetensors", table, "-o", tmp_path / "." / "t.csv")
    refused(result, "is an input as well", tmp_path, table)
    assert table.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "nfs"], "did you mean nsf"),
        (["--columns", "a,prise"], "no column 'prise'"),
        (["--columns", "a,,b"], "different names between commas"),
        (["--columns", "a,b", "--context", "b"], "b cannot be both"),
        (["--context", "a,b,c"], "leave at least one"),
        (["--epochs", "0"], "expected a whole number >= 1, got '0'"),
        (["--seed", "-1"], "argument --seed"),
        (["--lr", "-1"], "lr must be positive"),
        (["--validation", "1.5"], "validation must be a share in (0, 1)"),
        (["--device", "abacus"], "device 'abacus' cannot be used here"),
        (["--config", "absent.toml"], "absent.toml: No such file"),
        (["--epoch"], "expected one argument"),
    ],
)
def test_bad_flags_of_fit(run, made: Path, tmp_path: Path, arguments, message) -> None:
    out = ["-o", tmp_path / "m.safetensors"]
    result = run("fit", made / "table.csv", *out, *arguments, "--quiet")
    refused(result, message, tmp_path)


def test_usage_errors(run) -> None:
    for arguments in ([], ["fti"], ["score"], ["sample", "m", "-o", "x.csv", "-n", "0"]):
        result = run(*arguments)
        assert result.code == 2
        assert result.err.startswith("diffeo: error: ")
        assert "--help" in result.err
        assert result.err.count("\n") == 1


def test_models_of_other_columns_cannot_be_compared(run, made: Path, tmp_path: Path) -> None:
    result = run(
        "compare", made / "plain.safetensors", made / "given.safetensors", made / "table.csv"
    )
    refused(result, "densities of different columns, a, b, c and b", tmp_path)
