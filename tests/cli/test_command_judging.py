"""The command that judges: detect and report."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cli_tables import refused, values, write_csv
from mixed_tables import mixed, read, write_mixed

from diffeo.cli.main import main

SMALL = ["--epochs", "2", "--quiet"]


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with train.csv, new.csv and the model of the first."""
    folder = tmp_path_factory.mktemp("judged")
    write_mixed(folder / "train.csv", mixed())
    new = mixed().head(40)
    new.loc[0, "income"] = 1e9
    new.loc[1, "months"] = 7
    new.loc[2, "city"] = "Lima"
    write_mixed(folder / "new.csv", new)
    arguments = ["fit", folder / "train.csv", "-o", folder / "m.safetensors", *SMALL]
    assert main([str(a) for a in arguments]) == 0
    return folder


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_detect_writes_scores_p_values_and_reasons(run, fitted: Path, tmp_path: Path, suffix):
    out = tmp_path / f"found{suffix}"
    result = run("detect", fitted / "m.safetensors", fitted / "new.csv", "-o", out, "--level", 0.05)
    assert result.code == 0, result.err
    found = read(out)
    assert list(found.columns)[-4:] == ["anomaly_score", "p_value", "anomaly", "reasons"]
    assert len(found) == 40
    assert found["reasons"][0].startswith("income +")
    assert "(exact relations) +" in found["reasons"][1]
    assert "city +" in found["reasons"][2]
    assert found["anomaly_score"].idxmax() == 0
    assert (found["anomaly"] == (found["p_value"] <= 0.05)).all()
    assert found["anomaly"][0]
    assert f"{int(found['anomaly'].sum())} of 40 rows have a p-value of at most 0.05" in result.out
    # the least p-value that 30 held-out rows can give
    assert found["p_value"].min() == pytest.approx(1 / 31)


def test_report_is_one_page(run, fitted: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.html"
    arguments = ["report", fitted / "m.safetensors", fitted / "new.csv", "-o", out]
    result = run(*arguments, "--training", fitted / "train.csv", "--title", "Of <rides>")
    assert result.code == 0, result.err
    page = out.read_text("utf-8")
    assert "Of &lt;rides&gt;" in page
    assert "<rides>" not in page
    for heading in ("Likelihood", "Calibration", "Most anomalous rows"):
        assert heading in page
    assert "1 of 40 rows break a relation between columns" in page


def test_report_of_a_model_of_numbers(run, tmp_path: Path) -> None:
    table = write_csv(tmp_path / "t.csv", values(), "a,b,c")
    model, out = tmp_path / "m.safetensors", tmp_path / "r.html"
    assert run("fit", table, "-o", model, "--model", "nsf", *SMALL).code == 0
    assert run("report", model, table, "-o", out).code == 0
    assert "Likelihood" in out.read_text("utf-8")


def test_what_cannot_be_judged_is_refused(run, fitted: Path, made: Path, tmp_path: Path) -> None:
    out, page = tmp_path / "o.csv", tmp_path / "o.html"
    table = made / "table.csv"
    model, new = fitted / "m.safetensors", fitted / "new.csv"
    cases = [
        (["detect", made / "plain.safetensors", table, "-o", out], "diffeo fit --model table"),
        (["report", made / "given.safetensors", table, "-o", page], "without context"),
        (["report", model, table, "-o", page], "the table has no column"),
        (["report", model, new, "-o", out], ".html"),
        (["detect", model, new, "-o", out, "--level", 2], "between 0 and 1"),
    ]
    for arguments, words in cases:
        refused(run(*arguments), words, tmp_path)
    assert not out.exists()
    assert not page.exists()


def test_scores_do_not_depend_on_the_rows_beside(run, fitted: Path, tmp_path: Path) -> None:
    frame = read(fitted / "new.csv").iloc[::-1]
    write_mixed(tmp_path / "back.csv", frame)
    whole, back = tmp_path / "whole.csv", tmp_path / "b.csv"
    model = fitted / "m.safetensors"
    assert run("detect", model, fitted / "new.csv", "-o", whole).code == 0
    assert run("detect", model, tmp_path / "back.csv", "-o", back).code == 0
    np.testing.assert_allclose(
        read(whole)["anomaly_score"], read(back)["anomaly_score"][::-1], rtol=1e-4, atol=1e-3
    )
