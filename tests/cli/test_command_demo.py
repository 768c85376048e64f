"""`diffeo demo potentials` leaves a picture and a table, and its search goes on."""

from __future__ import annotations

import json

import pytest

from diffeo.cli import demo, potentials
from diffeo.inference import founding_figure


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    """A few steps and draws a fit, small images."""
    monkeypatch.setattr(demo, "QUICK", 0.002)
    monkeypatch.setattr(demo, "PIXELS", 12)
    monkeypatch.setattr(potentials, "DRAWS", 2_000)


def test_leaves_a_picture_and_a_table(run, tmp_path):
    folder = tmp_path / "new" / "folder"
    result = run("demo", "potentials", "--quick", "--out", folder)
    assert result.code == 0, result.err
    assert (folder / "potentials.png").read_bytes().startswith(b"\x89PNG")
    assert f"wrote {folder / 'potentials.png'}" in result.out
    content = json.loads((folder / "potentials.json").read_text())
    assert content["seed"] == 0
    assert content["quick"] is True
    assert [(fit["potential"], fit["flow"]) for fit in content["fits"]] == [
        (name, flow) for name in ("U1", "U2", "U3", "U4") for flow in founding_figure.FLOWS
    ]
    assert all(fit["kl"] > 0 and fit["standard_error"] > 0 for fit in content["fits"])
    table = (folder / "potentials.md").read_text()
    assert table in result.out
    assert table.count("\n| U") == 20
    first = content["fits"][0]
    assert f"| U1 | planar K = 2 | {first['kl']:.4f} ± " in table


def test_a_search_adds_a_flow_and_goes_on(run, tmp_path, monkeypatch):
    monkeypatch.setattr(potentials, "POTENTIALS", ("U1",))
    monkeypatch.setattr("diffeo.inference.potentials.POTENTIALS", ("U1",))
    monkeypatch.setattr(potentials, "FLOWS", {"planar K = 32": potentials.FLOWS["planar K = 32"]})
    arguments = ["demo", "potentials", "--quick", "--out", tmp_path]
    result = run(*arguments, "--search", 2)
    assert result.code == 0, result.err
    assert result.out.count("U1  trial ") == 2
    assert (tmp_path / "search.db").exists()
    assert (tmp_path / "search_U1.png").read_bytes().startswith(b"\x89PNG")
    content = json.loads((tmp_path / "potentials.json").read_text())
    assert [fit["flow"] for fit in content["fits"]] == ["planar K = 32", potentials.SEARCHED]
    more = run(*arguments, "--search", 3, "--storage", f"sqlite:///{tmp_path / 'search.db'}")
    assert more.out.count("U1  trial ") == 1
    assert "U1  trial 3: K = " in more.out


def test_a_storage_without_a_search_is_refused(run, tmp_path):
    result = run("demo", "potentials", "--storage", "x.db", "--out", tmp_path / "none")
    assert result.code == 2
    assert "give --search N as well" in result.err
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("module", "extra", "arguments"),
    [("matplotlib", "report", []), ("optuna", "tune", ["--search", "1"])],
)
def test_missing_extras_are_named_before_any_work(
    run, tmp_path, monkeypatch, module, extra, arguments
):
    monkeypatch.setitem(__import__("sys").modules, module, None)
    result = run("demo", "potentials", "--out", tmp_path / "none", *arguments)
    assert result.code == 2
    assert f"diffeo[{extra}]" in result.err
    assert not (tmp_path / "none").exists()


def test_a_file_in_place_of_the_folder_is_refused(run, tmp_path):
    (tmp_path / "file").write_text("")
    result = run("demo", "potentials", "--out", tmp_path / "file")
    assert result.code == 2
    assert "Traceback" not in result.err
    assert "file" in result.err


def test_a_demo_must_be_named(run):
    assert run("demo").code == 2
    assert run("demo", "nothing").code == 2
