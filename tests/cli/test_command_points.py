"""The command with clouds of points."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from diffeo import load
from diffeo.points import load_clouds, point_report_content
from diffeo.points.fitting import held_out_clouds

TINY = {"model": {"latent": 2, "layers": 1, "hidden": [8], "code": 4, "prior_layers": 1}}


@pytest.fixture(scope="module")
def clouds(tmp_path_factory):
    """A folder with x.npz of two classes, one.xyz, tiny.json, many.safetensors, one.safetensors."""
    from diffeo.cli.main import main

    folder = tmp_path_factory.mktemp("clouds")
    x = np.random.default_rng(0).normal(size=(24, 30, 3)).astype(np.float32)
    np.savez(folder / "x.npz", x=x, y=np.arange(24) % 2, classes=np.array(["ball", "blob"]))
    np.savetxt(folder / "one.xyz", x[0])
    (folder / "tiny.json").write_text(json.dumps(TINY))
    fit = ["--epochs", "1", "--quiet", "-o"]
    many = ["fit", folder / "x.npz", "--config", folder / "tiny.json", *fit]
    assert main([str(a) for a in [*many, folder / "many.safetensors"]]) == 0
    assert (
        main([str(a) for a in ["fit", folder / "one.xyz", *fit, folder / "one.safetensors"]]) == 0
    )
    return folder


def test_samples_are_of_the_class_and_size_asked_for(run, clouds, tmp_path):
    path = tmp_path / "s.npz"
    flags = ["-n", 3, "--class", "blob", "--points", 7, "--seed", 1, "-o", path]
    result = run("sample", clouds / "many.safetensors", *flags)
    assert (result.code, result.err) == (0, "")
    assert "wrote 3 clouds of 7 points" in result.out
    data = load_clouds(path)
    assert (data.sizes, data.labels.tolist(), data.names) == ([7] * 3, [1] * 3, ("ball", "blob"))


def test_pictures_pages_and_folders(run, clouds, tmp_path):
    pytest.importorskip("matplotlib")
    pytest.importorskip("trimesh")
    for name in ("s.png", "s.html", "s"):
        result = run("sample", clouds / "many.safetensors", "-n", 2, "-o", tmp_path / name)
        assert (result.code, result.err) == (0, "")
    assert load_clouds(tmp_path / "s").sizes == [30, 30]


def test_every_cloud_gets_a_score(run, clouds, tmp_path):
    path = tmp_path / "s.csv"
    result = run("score", clouds / "many.safetensors", clouds / "x.npz", "-o", path)
    assert result.code == 0
    with open(path) as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 24
    first = rows[0]
    assert float(first["log_prob"]) == pytest.approx(-30 * float(first["nats_per_point"]))
    mean = np.mean([float(row["nats_per_point"]) for row in rows])
    assert f"at most {mean:.4f}" in result.out


def test_one_cloud_is_a_surface(run, clouds, tmp_path):
    path = tmp_path / "s.xyz"
    model = clouds / "one.safetensors"
    assert "one surface" in run("info", model).out
    assert run("sample", model, "-n", 1, "--points", 9, "-o", path).code == 0
    assert load_clouds(path).sizes == [9]


def test_the_report_finds_the_clouds_that_were_held_out(run, clouds, tmp_path):
    pytest.importorskip("plotly")
    path = tmp_path / "r.html"
    result = run("report", clouds / "many.safetensors", "-o", path)
    assert (result.code, result.err) == (0, "")
    assert "nats per point" in path.read_text("utf-8")


def test_labels_are_an_array_of_the_file_or_a_file(run, clouds, tmp_path):
    data = np.load(clouds / "x.npz")
    np.savez(tmp_path / "x.npz", x=data["x"], kind=np.arange(24) % 3)
    np.save(tmp_path / "kind.npy", np.arange(24) % 3)
    for labels in ("kind", tmp_path / "kind.npy"):
        fit = ["fit", tmp_path / "x.npz", "--config", clouds / "tiny.json", "--epochs", 1]
        more = ["--labels", labels, "--quiet", "-o", tmp_path / "m.safetensors"]
        result = run(*fit, *more)
        assert (result.code, result.err) == (0, "")
        assert "0, 1, 2" in run("info", tmp_path / "m.safetensors").out
    result = run(*fit, "--labels", "sort", "--quiet", "-o", tmp_path / "m.safetensors")
    assert result.code == 2
    assert "no array 'sort'" in result.err


def test_the_file_of_the_fit_is_judged_by_what_was_held_out(run, clouds, monkeypatch, tmp_path):
    pytest.importorskip("plotly")
    seen = []

    def content(model, data, **options):
        seen.append((data, options["held_out"]))
        return point_report_content(model, data, **options)

    monkeypatch.setattr("diffeo.points.point_report_content", content)
    model = load(clouds / "many.safetensors")
    _, held_out = held_out_clouds(model, load_clouds(clouds / "x.npz"))
    for data in ((), (clouds / "x.npz",)):
        result = run("report", clouds / "many.safetensors", *data, "-o", tmp_path / "r.html")
        assert (result.code, result.err) == (0, "")
        judged, kept = seen.pop()
        assert kept
        assert len(judged) == len(held_out) < 24
        for mine, other in zip(judged.clouds, held_out.clouds, strict=True):
            assert (mine == other).all()


def test_flags_that_mean_nothing_here_are_refused(run, clouds, tmp_path):
    page, table = tmp_path / "r.html", tmp_path / "s.csv"
    many, one, x = (clouds / name for name in ("many.safetensors", "one.safetensors", "x.npz"))
    for arguments, message in (
        (["report", many, x, "--training", x, "-o", page], "--training is for images or tables"),
        (["score", one, clouds / "one.xyz", "--num-samples", 3, "-o", table], "is exact"),
        (["sample", one, "-n", 1, "--class", 0, "-o", tmp_path / "s.npz"], "has no classes"),
    ):
        result = run(*arguments)
        assert result.code == 2
        assert message in result.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-n", 1, "--given", "a=1", "-o", "s.npz"], "--given is for tables"),
        (["-n", 1, "-o", "s.csv"], "or have no suffix, for a folder"),
        (["-n", 1, "--class", "cone", "-o", "s.npz"], "ball, blob"),
        (["-n", 2, "-o", "s.xyz"], "one cloud"),
    ],
)
def test_what_cannot_be_drawn(run, clouds, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    result = run("sample", clouds / "many.safetensors", *arguments)
    assert result.code == 2
    assert message in result.err
    assert list(tmp_path.iterdir()) == []


def test_a_broken_cloud_is_named(run, tmp_path):
    path = tmp_path / "bad.xyz"
    path.write_text("0 0 0\n1 nan 0\n")
    result = run("fit", path, "-o", tmp_path / "m.safetensors")
    assert result.code == 2
    assert str(path) in result.err
    assert not (tmp_path / "m.safetensors").exists()


def test_models_of_tables_refuse_clouds(run, clouds, tmp_path):
    result = run("fit", clouds / "x.npz", "--model", "nsf", "-o", tmp_path / "m.safetensors")
    assert result.code == 2
    assert "holds clouds of points, and the model 'nsf' is of tables" in result.err
