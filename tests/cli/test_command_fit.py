"""`diffeo fit`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from cli_tables import CONFIG, values, write_csv

import diffeo


def test_fit_writes_a_model_that_knows_its_columns(run, made: Path, tmp_path: Path) -> None:
    result = run(
        "fit", made / "table.csv", "-o", tmp_path / "m.safetensors", "--columns", "c,a",
        "--context", "b", "--config", made / "config.json", "--model", "maf", "--seed", "3",
    )  # fmt: skip
    assert result.code == 0, result.err
    assert "held-out nll" in result.out
    assert "bits per dimension" in result.out
    assert "180 trained on, 20 held out" in result.out
    model = diffeo.load(tmp_path / "m.safetensors")
    assert isinstance(model, diffeo.MAF)
    assert model.record["data"]["columns"] == ["c", "a"]
    assert model.record["data"]["context_columns"] == ["b"]
    assert model.record["options"]["seed"] == 3


def test_summary_shows_the_validation_loss_in_nats_and_bits(run, made: Path, tmp_path) -> None:
    path = tmp_path / "m.safetensors"
    result = run(
        "fit", made / "table.csv", "-o", path, "--config", made / "config.json", "--model", "nsf"
    )
    loss = diffeo.load(path).record["best_loss"]
    assert f"{loss:.4f} nats a row, {loss / np.log(2) / 3:.4f} bits" in result.out


def test_the_same_seed_gives_the_same_file(run, made: Path, tmp_path: Path) -> None:
    weights = []
    for name, seed in (("1", 5), ("2", 5), ("3", 6)):
        path = tmp_path / f"{name}.safetensors"
        arguments = ["-o", path, "--config", made / "config.json", "--seed", seed, "--quiet"]
        assert run("fit", made / "table.csv", *arguments).code == 0
        weights.append(diffeo.load(path).log_prob(values()))
    np.testing.assert_array_equal(weights[0], weights[1])
    assert np.abs(weights[0] - weights[2]).max() > 1e-3


@pytest.mark.parametrize("suffix", ["toml", "json"])
def test_configuration_and_flags(run, made: Path, tmp_path: Path, suffix: str) -> None:
    config = tmp_path / f"c.{suffix}"
    if suffix == "toml":
        config.write_text(
            '[model]\nlayers = 2\nhidden = [8]\nbins = 4\nsupports = {b = [-99, 99], c = "real"}\n'
            '[fit]\nepochs = 9\nlr = 0.01\npatience = "none"\nprogress = false\n'
        )
    else:
        model = {"layers": 2, "hidden": [8], "bins": 4, "supports": {"b": [-99, 99], "c": "real"}}
        fit = {"epochs": 9, "lr": 0.01, "patience": None, "progress": False}
        config.write_text(json.dumps({"model": model, "fit": fit}))
    path = tmp_path / "m.safetensors"
    result = run("fit", made / "table.csv", "-o", path, "--config", config, "--epochs", 1)
    assert result.code == 0, result.err
    model = diffeo.load(path)
    options = model.record["options"]
    assert (options["epochs"], options["lr"], options["patience"]) == (1, 0.01, None)
    assert model.arguments()["bins"] == 4
    assert repr(model.support) == "[real(), interval(-99, 99), real()]"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"model": {"layer": 1}}, "unknown option 'layer'; did you mean layers?"),
        ({"fit": {"epoch": 1}}, "unknown option 'epoch'; did you mean epochs?"),
        ({"modle": {}}, "unknown option 'modle'; did you mean model?"),
        ({"model": 3}, "'model' must be a table of options, got 3"),
        ({"model": {"features": 3}}, "unknown option 'features'"),
        ({"model": {"hidden": "wide"}}, "the options of the model do not fit"),
        ({"model": {"layers": "two"}}, "the options of the model do not fit"),
        ({"model": {"layers": 0}}, "layers must be at least 1"),
        ({"fit": {"epochs": "ten"}}, "epochs must be of type int, got 'ten'"),
        ({"fit": {"epochs": True}}, "epochs must be of type int, got True"),
        ({"fit": {"epochs": None}}, "epochs must be of type int, got None"),
        ({"fit": {"lr": -1}}, "lr must be positive, got -1"),
        ({"fit": {"schedule": "linear"}}, "schedule must be 'cosine'"),
        ({"model": {"supports": {"d": "real"}}}, "unknown option 'd'; did you mean"),
        ({"model": {"supports": {"a": "posit"}}}, 'a must be "real", "positive" or [low, high]'),
        ({"model": {"supports": "positive"}}, "supports must be a table by column"),
        ({"model": {"supports": {"a": [1, 0]}}}, "low < high"),
        ({"model": {"supports": {"a": "positive"}}}, "row 1 (line 2), column 'a' holds"),
    ],
)
def test_bad_configuration(run, made: Path, tmp_path: Path, config: dict, message: str) -> None:
    merged = {
        k: {**CONFIG.get(k, {}), **v} if isinstance(v, dict) else v for k, v in config.items()
    }
    (tmp_path / "c.json").write_text(json.dumps(merged))
    if "a" in str(config.get("model", "")) and "positive'}" in str(config):
        table = write_csv(tmp_path / "t.csv", -np.abs(values()), "a,b,c")
    else:
        table = made / "table.csv"
    arguments = ["--config", tmp_path / "c.json", "--model", "nsf"]
    result = run("fit", table, "-o", tmp_path / "m.safetensors", *arguments)
    assert result.code == 2
    assert message in result.err
    assert not (tmp_path / "m.safetensors").exists()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("c.json", "{", "does not parse"),
        ("c.toml", "a = ", "does not parse"),
        ("c.yaml", "", ".toml or a .json"),
    ],
)
def test_configuration_that_does_not_parse(run, made, tmp_path, name, text, message) -> None:
    (tmp_path / name).write_text(text)
    result = run(
        "fit", made / "table.csv", "-o", tmp_path / "m.safetensors", "--config", tmp_path / name
    )
    assert result.code == 2
    assert message in result.err


def test_a_value_on_the_bound_is_named_by_its_row_in_the_file(run, made, tmp_path) -> None:
    table = values()
    table[16, 1] = 99
    write_csv(tmp_path / "t.csv", table, "a,b,c")
    (tmp_path / "c.toml").write_text("[model]\nsupports = {b = [-99, 99]}\n")
    result = run(
        "fit", tmp_path / "t.csv", "-o", tmp_path / "m.safetensors", "--config", tmp_path / "c.toml"
    )
    assert result.code == 2
    assert "row 17 (line 18), column 'b' holds 99, outside or on the bound" in result.err


@pytest.mark.parametrize("form", ["npy", "npz", "headerless csv"])
def test_tables_without_names(run, made: Path, tmp_path: Path, form: str) -> None:
    table = values()
    if form == "npz":
        path = tmp_path / "t.npz"
        np.savez(path, X=table[:, :2], context=table[:, 2:])
    elif form == "npy":
        path = tmp_path / "t.npy"
        np.save(path, table)
    else:
        path = tmp_path / "t.csv"
        np.savetxt(path, table, delimiter=",")
    out = tmp_path / "m.safetensors"
    result = run("fit", path, "-o", out, "--config", made / "config.json")
    assert result.code == 0, result.err
    data = diffeo.load(out).record["data"]
    names = (["x0", "x1"], ["c0"]) if form == "npz" else (["x0", "x1", "x2"], [])
    assert (data["columns"], data["context_columns"]) == names
    assert ("has no header" in result.err) == (form == "headerless csv")


def test_warnings_are_one_line_and_plain(run, made: Path, tmp_path: Path) -> None:
    table = write_csv(tmp_path / "t.csv", np.round(values(), 1), "a,b,c")
    out = tmp_path / "m.safetensors"
    arguments = ["--config", made / "config.json", "--quiet", "--model", "nsf"]
    result = run("fit", table, "-o", out, *arguments)
    assert result.code == 0
    assert result.out == ""
    (line,) = result.err.splitlines()
    assert line.startswith("diffeo: warning: values repeat")
