"""`diffeo sample`, `score` and `info` with models of images."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import torch

from diffeo import load
from diffeo.images import load_images


def _png(path):
    image = pytest.importorskip("PIL.Image")
    with image.open(path) as opened:
        return np.asarray(opened)


def test_a_grid_has_a_row_for_each_class(run, shown, tmp_path):
    path = tmp_path / "g.png"
    result = run("sample", shown / "classes.safetensors", "-n", 11, "-o", path)
    assert (result.code, result.err) == (0, "")
    assert "wrote 11 images" in result.out
    grid = _png(path)
    # two rows of six cells, the last of which is empty
    assert grid.shape == (2 * 9 + 1, 6 * 9 + 1)
    assert (grid[10:, 46:] == 255).all()
    assert (grid[:9, 46:] != 255).any()


def test_arrays_are_read_back_as_they_were_drawn(run, shown, tmp_path):
    path = tmp_path / "g.npz"
    sample = ["sample", shown / "classes.safetensors", "-n", 7, "--seed", 5, "-o", path]
    assert run(*sample).code == 0
    data = load_images(path)
    assert (data.bits, data.image_shape, data.pixels.dtype) == (4, (1, 8, 8), np.uint8)
    assert data.labels.tolist() == [0, 0, 0, 0, 1, 1, 1]
    model = load(shown / "classes.safetensors")
    drawn = model.draw(1, model.context_of(data.labels), seed=5)[0]
    assert (data.pixels == drawn.numpy()).all()
    first = data.pixels
    assert run(*sample).code == 0
    assert (load_images(path).pixels == first).all()


def test_one_class_is_drawn_by_number_or_name(run, shown, tmp_path):
    path = tmp_path / "g.npz"
    flags = ["-n", 5, "--class", 1, "-o", path]
    assert run("sample", shown / "classes.safetensors", *flags).code == 0
    assert load_images(path).labels.tolist() == [1] * 5


def test_no_noise_at_temperature_zero(run, shown, tmp_path):
    path = tmp_path / "g.npy"
    flags = ["-n", 3, "--temperature", 0, "-o", path]
    assert run("sample", shown / "plain.safetensors", *flags).code == 0
    drawn = np.load(path)
    assert drawn.shape == (3, 8, 8)
    assert (drawn == drawn[0]).all()


@pytest.mark.parametrize(
    ("model", "flags", "expected"),
    [
        ("classes", ["--class", "2"], "--class 2: the classes of this model are 2: 0, 1"),
        ("plain", ["--class", "0"], "this model has no classes; leave out --class"),
        ("plain", ["--temperature", "-1"], "temperature must be a finite number >= 0, got -1.0"),
        ("plain", ["--temperature", "warm"], "invalid float value: 'warm'"),
        ("plain", ["--given", "a=1"], "--given is for tables"),
        ("plain", ["-o", "rows.csv"], "the name must end in .png or .npz or .npy"),
    ],
)
def test_mistakes_of_a_sample_are_one_line(
    run, shown, tmp_path, monkeypatch, model, flags, expected
):
    monkeypatch.chdir(tmp_path)
    result = run("sample", shown / f"{model}.safetensors", "-n", 2, "-o", "g.png", *flags)
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert expected in result.err


def test_temperature_and_class_are_not_of_tables(run, made, tmp_path):
    for flags in (["--temperature", "0.5"], ["--class", "1"]):
        result = run(
            "sample", made / "plain.safetensors", "-n", 2, "-o", tmp_path / "x.csv", *flags
        )
        assert (result.code, result.err.count("\n")) == (2, 1)
        assert f"{flags[0]} is for " in result.err
        assert "images, and here it is about tables" in result.err


def _rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_scores_are_bits_of_every_image_given_its_class(run, shown, tmp_path):
    path = tmp_path / "s.csv"
    result = run("score", shown / "classes.safetensors", shown / "new.npz", "-o", path)
    assert (result.code, result.err) == (0, "")
    rows = _rows(path)
    assert [row["image"] for row in rows] == [str(i) for i in range(60)]
    assert [row["class"] for row in rows] == ["0", "1"] * 30
    bits, log_prob = (np.array([float(r[k]) for r in rows]) for k in ("bits_per_dim", "log_prob"))
    assert bits == pytest.approx(-log_prob / 64 / np.log(2))
    data, model = load_images(shown / "new.npz"), load(shown / "classes.safetensors")
    x, context = torch.from_numpy(data.pixels).float(), model.context_of(data.labels)
    # one seed, one stream of noise for all images
    expected = model.log_prob(x, context, seed=0).detach().numpy()
    assert log_prob == pytest.approx(expected, rel=1e-5)
    assert f"at most {bits.mean():.4f} ± " in result.out


def test_more_draws_tighten_the_bound(run, shown, tmp_path):
    means = []
    for draws in (1, 32):
        flags = ["-o", tmp_path / "s.csv", "--num-samples", draws]
        assert run("score", shown / "plain.safetensors", shown / "new.npz", *flags).code == 0
        means.append(np.mean([float(row["bits_per_dim"]) for row in _rows(tmp_path / "s.csv")]))
    assert means[1] < means[0]


def test_images_without_labels_are_scored_under_all_classes(run, shown, tmp_path):
    data = load_images(shown / "new.npz")
    np.save(tmp_path / "x.npy", data.pixels[:, 0])
    flags = ["-o", tmp_path / "s.csv"]
    result = run("score", shown / "classes.safetensors", tmp_path / "x.npy", *flags)
    assert (result.code, result.err) == (0, "")
    assert "each under all classes together" in result.out
    assert "class" not in _rows(tmp_path / "s.csv")[0]


def test_scores_of_other_images_are_refused(run, shown, tmp_path):
    np.savez(tmp_path / "wide.npz", x=np.zeros((5, 8, 10), np.uint8), scale=np.array(15))
    np.savez(tmp_path / "bright.npz", x=np.full((5, 8, 8), 99, np.uint8))
    x = load_images(shown / "x.npz").pixels[:3, 0]
    np.savez(tmp_path / "third.npz", x=x, y=np.array([0, 1, 2]))
    for name, expected in (
        ("wide", "images of 8 x 10 pixels and 1 channel, but this model is of images of 8 x 8"),
        ("bright", "outside 0 to 15 (--bits 4)"),
        ("third", "image 2 is of the class 2, but the classes of this model are 0, 1"),
    ):
        flags = ["-o", tmp_path / "s.csv"]
        result = run("score", shown / "classes.safetensors", tmp_path / f"{name}.npz", *flags)
        assert (result.code, result.err.count("\n")) == (2, 1)
        assert expected in result.err


def test_info_names_size_classes_bits_and_parameters(run, shown):
    result = run("info", shown / "classes.safetensors")
    assert (result.code, result.err) == (0, "")
    parameters = sum(p.numel() for p in load(shown / "classes.safetensors").parameters())
    for expected in (
        "ImageModel, uniform dequantisation",
        "Glow(image_shape=[1, 8, 8], context=2, scales=2, steps=1, hidden=8",
        "8 x 8 pixels and 1 channel, 4 bits",
        "2: 0, 1",
        f"{parameters:,} of float32",
        "held out",
    ):
        assert expected in result.out
