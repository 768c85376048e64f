"""The command on mixed tables: fit, score, sample, impute, info, compare, check."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cli_tables import refused, values, write_csv
from mixed_tables import mixed, read, write_mixed

import diffeo
from diffeo.cli.main import main

KEPT = ["age", "city", "income", "height", "member", "day", "months", "unit"]
SMALL = ["--epochs", "2", "--max-time", "20"]


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with t.csv, t.parquet and the model of them."""
    folder = tmp_path_factory.mktemp("mixed")
    write_mixed(folder / "t.csv", mixed())
    write_mixed(folder / "t.parquet", mixed())
    arguments = ["fit", folder / "t.csv", "-o", folder / "m.safetensors", *SMALL, "--quiet"]
    assert main([str(a) for a in arguments]) == 0
    return folder


def test_auto_takes_a_model_that_suits_the_columns(run, fitted: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.safetensors"
    result = run("fit", fitted / "t.csv", "-o", out, *SMALL)
    assert result.code == 0, result.err
    first = result.out.splitlines()[0]
    assert first.startswith("model table: not all columns are plain continuous numbers: ")
    assert "'age' holds whole numbers, 'city' holds labels" in first
    assert isinstance(diffeo.load(out), diffeo.TableFlow)
    row = next(line for line in result.out.splitlines() if line.startswith("height "))
    assert "in steps of 0.1" in row
    assert "'months' equals 12 * 'age'" in result.err
    assert "column 'name' is left out" in result.err
    assert "--schema name=categorical keeps it" in result.err
    assert "270 trained on, 30 held out" in result.out

    numbers = write_csv(tmp_path / "n.csv", values(), "a,b,c")
    result = run("fit", numbers, "-o", out, "--epochs", 1)
    assert result.out.startswith("model continuous: all columns are continuous numbers\n")
    assert isinstance(diffeo.load(out).base, diffeo.Mixture)
    result = run("fit", numbers, "-o", out, "--epochs", 1, "--model", "table", "--quiet")
    assert (result.code, result.out) == (0, "")
    assert isinstance(diffeo.load(out), diffeo.TableFlow)


def test_types_of_columns_can_be_given(run, fitted: Path, tmp_path: Path) -> None:
    config, out = tmp_path / "c.toml", tmp_path / "m.safetensors"
    config.write_text(
        '[schema]\nage = "categorical"\nincome = ["bounded", 0, 1e6]\n'
        'city = ["ordinal", ["Rome", "Bern", "Oslo, N"]]\n[model]\nwidth = 16\nblocks = 1\n'
    )
    arguments = ["--config", config, "--schema", "age=circular:0:100,height=left out"]
    result = run("fit", fitted / "t.csv", "-o", out, *arguments, *SMALL)
    assert result.code == 0, result.err
    flow = diffeo.load(out)
    age, city, income = (flow.schema.column(name) for name in ("age", "city", "income"))
    # the flag wins over the file
    assert (age.kind, age.low, age.high) == ("circular", 0, 100)
    assert (income.kind, income.high) == ("bounded", 1e6)
    assert city.levels == ("Rome", "Bern", "Oslo, N")
    assert "height" in flow.schema.left_out
    assert flow.arguments()["width"] == 16


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_score_writes_the_columns_as_they_are(run, fitted, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"s.{suffix}"
    result = run("score", fitted / "m.safetensors", fitted / f"t.{suffix}", "-o", out)
    assert result.code == 0, result.err
    found = read(out)
    assert list(found.columns) == [*KEPT, "log_prob"]
    expected = read(fitted / f"t.{suffix}")
    pd.testing.assert_frame_equal(found[KEPT], expected[KEPT], rtol=1e-12)
    log_prob = diffeo.load(fitted / "m.safetensors").log_prob(fitted / "t.parquet")
    np.testing.assert_allclose(found.log_prob, log_prob, rtol=1e-5)
    assert f"mean log-likelihood {log_prob.mean():.3f}" in result.out


def test_pieces_change_nothing(run, fitted: Path, tmp_path: Path, monkeypatch) -> None:
    model, table = fitted / "m.safetensors", fitted / "t.csv"
    for name in ("1", "2"):
        assert run("score", model, table, "-o", tmp_path / f"s{name}.csv").code == 0
        assert run("impute", model, table, "-o", tmp_path / f"i{name}.csv").code == 0
        assert run("sample", model, "-n", 300, "-o", tmp_path / f"x{name}.csv").code == 0
        monkeypatch.setattr("diffeo.cli.tables.rows.CHUNK_ROWS", 70)
        monkeypatch.setattr("diffeo.tabular.table.CHUNK_ROWS", 70)
    scores = [read(tmp_path / f"s{name}.csv") for name in ("1", "2")]
    pd.testing.assert_frame_equal(*scores, rtol=1e-5)
    for what in ("i", "x"):  # other draws of the same columns
        first, second = (read(tmp_path / f"{what}{name}.csv") for name in ("1", "2"))
        assert len(first) == len(second) == 300
        assert (first.dtypes == second.dtypes).all()


def test_rows_of_density_zero_are_scored_and_named(run, fitted: Path, tmp_path: Path) -> None:
    frame = mixed()
    frame.loc[16, "income"] = -1.0
    frame.loc[3, "city"] = "Atlantis"
    table = write_mixed(tmp_path / "t.csv", frame)
    result = run("score", fitted / "m.safetensors", table, "-o", tmp_path / "s.csv")
    assert result.code == 0, result.err
    (line,) = result.err.splitlines()
    assert "1 row has density 0, the first at row 17 (line 18): column 'income' holds -1" in line
    log_prob = read(tmp_path / "s.csv").log_prob
    assert np.flatnonzero(~np.isfinite(log_prob)).tolist() == [16]
    assert log_prob[16] == -np.inf
    assert "299 rows" in result.out
    model = fitted / "m.safetensors"
    result = run("compare", model, model, table)
    assert result.code == 2
    assert "column 'income' holds -1" in result.err


def test_sample_has_the_original_types(run, fitted: Path, tmp_path: Path) -> None:
    outs = [tmp_path / "1.csv", tmp_path / "2.csv", tmp_path / "3.parquet"]
    for out, seed in zip(outs, (0, 0, 1), strict=True):
        assert (
            run("sample", fitted / "m.safetensors", "-n", 50, "-o", out, "--seed", seed).code == 0
        )
    first, second, third = map(read, outs)
    pd.testing.assert_frame_equal(first, second)
    assert not first.age.equals(third.age)
    assert list(first.columns) == KEPT
    assert first.dtypes.equals(read(fitted / "t.csv")[KEPT].dtypes)
    assert (first.months == 12 * first.age).all()
    assert set(first.city.dropna()) <= {"Bern", "Oslo, N", "Rome"}
    np.testing.assert_array_equal(first.height, first.height.round(1))
    assert first.day.str.fullmatch(r"\d{4}-\d\d-\d\d").all()
    assert third.day.dtype.kind == "M"


def test_sample_given_values(run, fitted: Path, tmp_path: Path) -> None:
    model, out = fitted / "m.safetensors", tmp_path / "x.csv"
    given = "age=40,member=yes,day=2024-02-29,height=171.5"
    assert run("sample", model, "-n", 9, "-o", out, "--given", given).code == 0
    found = read(out)
    for name, value in [("age", 40), ("member", True), ("day", "2024-02-29"), ("months", 480)]:
        assert (found[name] == value).all(), name
    assert found.income.nunique() == 9
    assert run("sample", model, "-n", 9, "-o", out, "--given", '{"city": "Oslo, N"}').code == 0
    assert (read(out).city == "Oslo, N").all()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("aeg=40", "no column 'aeg'; did you mean 'age'?"),
        ("months=12", "'months' equals 12 * 'age'; give the columns it follows from"),
        ("city=Brn", "column 'city' holds 'Brn'"),
        ("age=old", "column 'age' holds 'old'"),
        ("income=-3", "column 'income' holds '-3'"),
        ("age", "expected name=value"),
        ("age=1,age=2", "'age' is given twice"),
        ("{", "does not parse as JSON"),
    ],
)
def test_given_what_cannot_be(run, fitted, tmp_path, given: str, message: str) -> None:
    out = tmp_path / "x.csv"
    result = run("sample", fitted / "m.safetensors", "-n", 2, "-o", out, "--given", given)
    assert result.code == 2
    (line,) = result.err.strip().splitlines()
    assert message in line
    assert not out.exists()


def test_impute_fills_the_holes_alone(run, fitted: Path, tmp_path: Path) -> None:
    out = tmp_path / "i.csv"
    frame = mixed()
    table = write_mixed(tmp_path / "t.csv", frame.drop(columns="height"))
    holes = int(frame[["city", "income"]].isna().to_numpy().sum()) + len(frame)
    result = run("impute", fitted / "m.safetensors", table, "-o", out, "-n", 2)
    assert result.code == 0, result.err
    assert f"{holes:,} holes filled, 2 x 300 rows" in result.out
    found = read(out)
    assert found.columns[0] == "imputation"
    assert found.imputation.tolist() == [1] * 300 + [2] * 300
    assert found.notna().all().all()
    for number in (1, 2):
        filled = found[found.imputation == number].reset_index(drop=True)
        assert filled.name.tolist() == frame.name.tolist()  # no column of the model, kept
        observed = frame.income.notna()
        np.testing.assert_allclose(filled.income[observed], frame.income[observed])
        assert (filled.city == frame.city)[frame.city.notna()].all()
    halves = [found.income[found.imputation == k].to_numpy() for k in (1, 2)]
    assert (halves[0] != halves[1]).any()
    one = run("impute", fitted / "m.safetensors", table, "-o", out)
    assert one.code == 0
    assert "imputation" not in read(out).columns


def test_info_and_check(run, fitted: Path) -> None:
    result = run("info", fitted / "m.safetensors")
    assert result.code == 0, result.err
    for expected in (
        "TableFlow(width=128", "any columns (sample --given)", "age     integer",
        "probabilities of 5 columns", "column 'unit' is constant ('cm')",
        "left out: its text hardly repeats", "270 trained on", "with columns hidden",
    ):  # fmt: skip
        assert expected in result.out, expected
    assert run("check", fitted / "m.safetensors").code == 0


def test_compare_needs_one_measure(run, fitted: Path, tmp_path: Path) -> None:
    # the first column is rounded: a probability for one model, a density for the other
    table = values()
    table[:, 0] = np.round(table[:, 0], 1)
    rounded = write_csv(tmp_path / "r.csv", table, "a,b,c")
    smooth = write_csv(tmp_path / "s.csv", values(), "a,b,c")
    out = {name: tmp_path / f"{name}.safetensors" for name in ("rounded", "smooth", "nsf")}
    fits = [(rounded, "rounded", "table"), (smooth, "smooth", "table"), (smooth, "nsf", "nsf")]
    for data, name, model in fits:
        arguments = ["-o", out[name], "--model", model, "--epochs", 1, "--quiet"]
        assert run("fit", data, *arguments).code == 0
    assert run("compare", out["smooth"], out["nsf"], smooth).code == 0
    result = run("compare", out["nsf"], out["rounded"], smooth)
    assert result.code == 2
    assert "column 'a' differently, the first by length, the second by counting" in result.err
    result = run("compare", out["nsf"], fitted / "m.safetensors", smooth)
    assert "densities of different columns" in result.err
    model = fitted / "m.safetensors"
    assert "no clear difference" in run("compare", model, model, fitted / "t.csv").out


def test_the_average_of_flows_says_how_well_it_does(run, tmp_path: Path) -> None:
    table = write_csv(tmp_path / "t.csv", values(), "a,b,c")
    fresh = write_csv(tmp_path / "f.csv", values(1000)[200:], "a,b,c")
    config, out = tmp_path / "c.json", tmp_path / "m.safetensors"
    config.write_text('{"model": {"members": 2, "hidden": [16]}, "fit": {"epochs": 3}}')
    result = run("fit", table, "-o", out, "--config", config)
    assert result.code == 0, result.err
    assert "3, of 2 members; stopped: all epochs done" in result.out
    record = diffeo.load(out).record
    assert record["options"]["hidden"] == [16]
    assert f"held-out nll  {-record['held_out']:.4f} nats a row" in result.out
    # held-out rows of the fit predict how well fresh rows do
    scores = diffeo.load(out).log_prob(read(fresh).to_numpy())
    assert abs(record["held_out"] - scores.mean()) < 4 * scores.std() / np.sqrt(40)
    shown = run("info", out)
    assert shown.code == 0
    assert "stopped: all epochs done" in shown.out


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"model": {"supports": {}}}, "unknown option 'supports'"),
        ({"fit": {"ema": 0.9}}, "the model 'continuous' has no ema = 0.9"),
        ({"fit": {"patience": None}}, "has no patience = None"),
        ({"model": {"layers": 0}}, "layers must be a whole number >= 1, got 0"),
        ({"model": {"hidden": "wide"}}, "hidden must be a list of whole numbers"),
        ({"fit": {"validation": 2.0}}, "validation must be a share in (0, 1)"),
    ],
)
def test_options_that_the_average_does_not_take(run, tmp_path, config: dict, message) -> None:
    table = write_csv(tmp_path / "t.csv", values(), "a,b,c")
    (tmp_path / "c.json").write_text(json.dumps(config))
    arguments = ["--config", tmp_path / "c.json", "--model", "continuous", "--quiet"]
    result = run("fit", table, "-o", tmp_path / "m.safetensors", *arguments)
    refused(result, message, tmp_path, table, tmp_path / "c.json")
    result = run("fit", table, "-o", tmp_path / "m.safetensors", *arguments, "--context", "a")
    assert "the model 'continuous' has no context" in result.err


def test_auto_takes_a_single_flow_where_only_that_can(run, tmp_path: Path) -> None:
    table, out = write_csv(tmp_path / "t.csv", values(), "a,b,c"), tmp_path / "m.safetensors"
    for arguments, reason in (
        (["--context", "a"], "the density is conditional on other columns"),
        (["--checkpoint", tmp_path / "k"], "there is an option 'checkpoint'"),
    ):
        result = run("fit", table, "-o", out, "--epochs", 1, *arguments)
        assert result.code == 0, result.err
        assert result.out.startswith("model nsf: ")
        assert reason in result.out.splitlines()[0]
        assert isinstance(diffeo.load(out), diffeo.NSF)
