"""What bad mixed tables and bad types of columns get: one line, exit code 2, no file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cli_tables import refused, values, write_csv
from mixed_tables import mixed, write_mixed

import diffeo


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--schema", "aeg=integer"], "no such column; did you mean 'age'?"),
        (["--schema", "age=intger"], "'intger' is no kind; use one of"),
        (["--schema", "age=circular:0:x"], "'circular' needs two numbers"),
        (["--schema", "age=circular:5:5"], "needs two finite numbers"),
        (["--schema", "age=ordinal:1:2"], "no level that the schema names"),
        (["--schema", "height=integer"], "row 1, column 'height' holds"),
        (["--schema", "city=positive"], "column 'city' holds"),
        (["--schema", "age"], "expected name=value between commas, got 'age'"),
        (["--schema", "age=integer,age=real"], "'age' is given twice"),
        (["--schema", "age=integer", "--context", "city"], "the model 'table' has no context"),
        (["--model", "table", "--context", "city"], "leave out --context"),
        (["--model", "maf", "--schema", "age=integer"], "are for the model 'table'; maf takes"),
        (["--model", "maf"], "column 'name' holds 'p0000'"),
        (["--model", "tabel"], "did you mean table"),
        (["--columns", "age,cty"], "no column 'cty'; did you mean 'city'?"),
        (["--columns", "age,months,unit,name"], "as the schema says"),
        (["--lr", "-1"], "lr must be positive"),
    ],
)
def test_bad_flags(run, tmp_path: Path, arguments: list[str], message: str) -> None:
    table = write_mixed(tmp_path / "t.csv", mixed())
    if message == "as the schema says":
        arguments = [*arguments, "--schema", "age=left out,months=left out,name=left out"]
        message = "no column is left to model"
    result = run("fit", table, "-o", tmp_path / "m.safetensors", *arguments, "--quiet")
    result = result._replace(err=result.err.strip().splitlines()[-1])
    refused(result, message, tmp_path, table)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("a,b\n", "t.csv: the table has 0 rows"),
        ("a,a\n1,2\n", "two columns are called 'a'"),
        (",b\n1,2\n", "column 1 has no name"),
        ("a;b\n1;x\n", "separated by ';'"),
        ("a,b\n1,x\n1,2,3\n", "t.csv does not parse as CSV"),
        ("a,b\nx,1\n7,1\ny,2\ny,2\n", "t.csv: column 'a' mixes numbers and words: row 2 holds"),
        ("a,b\n1,2\n", "no column is left to model"),
    ],
)
def test_bad_tables(run, tmp_path: Path, text: str, message: str) -> None:
    table = tmp_path / "t.csv"
    table.write_text(text)
    refused(run("fit", table, "-o", tmp_path / "m.safetensors"), message, tmp_path, table)


def test_options_of_another_model_are_named_as_such(run, tmp_path: Path) -> None:
    table, config = write_mixed(tmp_path / "t.csv", mixed()), tmp_path / "c.json"
    config.write_text('{"model": {"layers": 2}}')
    result = run("fit", table, "-o", tmp_path / "m.safetensors", "--config", config, "--quiet")
    assert result.code == 2
    assert "unknown option 'layers'" in result.err
    assert "(the model is 'table'; choose another with --model)" in result.err


def test_bad_rows_for_a_fitted_model(run, tmp_path: Path) -> None:
    folder = tmp_path / "made"
    folder.mkdir()
    model, out = folder / "m.safetensors", tmp_path / "out.csv"
    table = write_mixed(folder / "t.csv", mixed())
    assert run("fit", table, "-o", model, "--epochs", 1, "--quiet").code == 0
    frame = mixed()
    missing = write_mixed(folder / "missing.csv", frame.drop(columns="city").assign(cty=1))
    wrong = write_mixed(folder / "wrong.csv", frame.assign(income=frame.income.astype(object)))
    lines = wrong.read_text().splitlines()
    cells = lines[250].replace('"Oslo, N"', "Rome").split(",")
    lines[250] = ",".join([*cells[:3], "much", *cells[4:]])
    wrong.write_text("\n".join(lines))
    none = write_mixed(folder / "none.csv", frame[["name"]].assign(x=1))
    for command in ("score", "impute"):
        result = run(command, model, wrong, "-o", out)
        refused(result, "row 250, column 'income' holds 'much'", tmp_path, folder)
        result = run(command, model, folder / "absent.csv", "-o", out)
        refused(result, "absent.csv: No such file", tmp_path, folder)
    result = run("score", model, missing, "-o", out)
    refused(result, "no column 'city'; did you mean 'cty'?", tmp_path, folder)
    refused(run("impute", model, none, "-o", out), "none of the model's columns", tmp_path, folder)
    refused(
        run("score", model, table, "-o", out, "--num-samples", 5),
        "that of this TableFlow is exact", tmp_path, folder,
    )  # fmt: skip
    result = run("sample", model, "-n", 2, "-o", out, "--context", table)
    refused(result, "fix columns with --given", tmp_path, folder)
    clash = write_mixed(folder / "clash.csv", frame.assign(imputation=1))
    result = run("impute", model, clash, "-o", out, "-n", 2)
    refused(result, "a column is called 'imputation' already", tmp_path, folder)


def test_a_model_of_numbers_neither_imputes_nor_takes_given(run, made: Path, tmp_path) -> None:
    model, out = made / "plain.safetensors", tmp_path / "x.csv"
    result = run("impute", model, made / "table.csv", "-o", out)
    refused(result, "this NSF cannot fill holes", tmp_path)
    result = run("sample", model, "-n", 2, "-o", out, "--given", "a=1")
    refused(result, "--given is for models of mixed tables", tmp_path)


def test_bounds_are_drawn_from_a_seed(run, tmp_path: Path) -> None:
    dequantize = diffeo.surjections.UniformDequantization([diffeo.integers(0), diffeo.real()])
    density = diffeo.NSF(2, layers=1, hidden=[8], supports=dequantize.domain.supports, seed=0)
    flow = diffeo.SurjectiveFlow(density, dequantize)
    table = np.abs(np.column_stack([np.round(5 * values()[:, 0]), values()[:, 1]]))
    path = write_csv(tmp_path / "t.csv", table, "a,b")
    model = tmp_path / "m.safetensors"
    flow.save(model)

    def scored(*arguments: object) -> str:
        result = run("score", model, path, "-o", tmp_path / "s.csv", *arguments)
        assert result.code == 0, result.err
        return str(result.out.splitlines()[0])

    assert scored() == scored("--seed", 0)
    assert scored() != scored("--seed", 1)
    assert scored().startswith("a bound of the mean log-likelihood: ")
    means = [float(scored(*a).split()[6]) for a in ([], ["--num-samples", 50])]
    assert means[1] > means[0]
    compared = [run("compare", model, model, path, "--seed", s).out for s in (0, 0, 1)]
    assert compared[0] == compared[1] != compared[2]
    assert "no clear difference" in compared[0]
