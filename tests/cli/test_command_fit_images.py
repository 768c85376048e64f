"""`diffeo fit` of images."""

from __future__ import annotations

import json

import numpy as np
import pytest
from cli_images import images, write_config

from diffeo import load
from diffeo.images import ImageModel


def test_a_fit_says_what_it_learned(run, shown, tmp_path):
    path = tmp_path / "m.safetensors"
    result = run("fit", shown / "x.npz", "-o", path, "--config", shown / "tiny.json")
    assert result.code == 0, result.err
    assert "fitting 60 images of 8 x 8 pixels and 1 channel, 4 bits" in result.out
    assert "54 trained on, 6 held out" in result.out
    assert "classes       2: 0, 1" in result.out
    lines = {line[:14].strip(): line[14:] for line in result.out.splitlines()}
    held_out, error = lines["held out"].split(" bits")[0].split(" ± ")
    model = load(path)
    assert isinstance(model, ImageModel)
    assert (model.bits, model.classes) == (4, ("0", "1"))
    record = model.record["images"]
    assert f"{record['held_out_bits']:.4f}" == held_out
    assert f"{record['held_out_error']:.4f}" == error
    assert f"{record['train_bits']:.4f} bits" in lines["training"]


def test_held_out_bits_are_those_of_the_images_held_out(shown):
    from diffeo.images import load_images
    from diffeo.images.fitting import held_out_images
    from diffeo.images.judging import scores

    model = load(shown / "classes.safetensors")
    train, held_out = held_out_images(model, load_images(shown / "x.npz"))
    assert (len(train), len(held_out)) == (54, 6)
    found = scores(model, held_out).mean()
    assert found == pytest.approx(model.record["images"]["held_out_bits"], abs=1e-6)
    # of every class the same share
    assert np.bincount(held_out.labels).tolist() == [3, 3]


@pytest.mark.parametrize("name", ["imagerealnvp", "flowplusplus", "tarflow"])
def test_every_model_of_images_is_fitted_by_its_name(run, shown, tmp_path, name):
    sizes = {
        "imagerealnvp": {"scales": 1, "couplings": 1, "hidden": 4, "blocks": 1},
        "flowplusplus": {"scales": 1, "couplings": 1, "hidden": 4, "components": 3},
        "tarflow": {"blocks": 1, "layers": 1, "dim": 8, "patch": 4},
    }[name]
    config = tmp_path / "c.json"
    config.write_text(json.dumps({"model": sizes, "fit": {"epochs": 1}}))
    flags = ["--model", name, "--config", config, "--quiet"]
    result = run("fit", shown / "x.npz", "-o", tmp_path / "m.safetensors", *flags)
    assert result.code == 0, result.err
    assert type(load(tmp_path / "m.safetensors").flow).__name__.lower() == name


def test_flags_of_images_arrive(run, shown, tmp_path):
    path = tmp_path / "m.safetensors"
    flags = ["--dequantization", "variational", "--flips", "--reduce-to", "2", "--unconditional"]
    config = ["--config", shown / "tiny.json", "--quiet", "--seed", "3"]
    assert run("fit", shown / "x.npz", "-o", path, *flags, *config).code == 0
    model = load(path)
    assert (model.dequantization, model.flips, model.bits) == ("variational", True, 2)
    assert (model.classes, model.record["images"]["seed"]) == ((), 3)


def test_labels_from_a_file_of_words(run, tmp_path):
    x, y = images()
    np.save(tmp_path / "x.npy", x)
    words = tmp_path / "words.txt"
    words.write_text("\n".join(np.array(["left", "right"])[y]))
    config = write_config(tmp_path / "tiny.json")
    flags = ["--labels", words, "--bits", "4", "--config", config, "--quiet"]
    result = run("fit", tmp_path / "x.npy", "-o", tmp_path / "m.safetensors", *flags)
    assert result.code == 0, result.err
    assert load(tmp_path / "m.safetensors").classes == ("left", "right")


def test_pixels_that_seem_to_have_fewer_bits_are_mentioned(run, tmp_path):
    x, _ = images()
    np.save(tmp_path / "x.npy", x)
    config = write_config(tmp_path / "tiny.json")
    out = tmp_path / "m.safetensors"
    result = run("fit", tmp_path / "x.npy", "-o", out, "--config", config, "--quiet")
    assert result.code == 0
    assert result.err.count("\n") == 1
    assert "no pixel is above 15, and 8 bits reach to 255" in result.err
    assert "--bits 4" in result.err


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--model", "nsf"], "holds images, and the model 'nsf' is of tables"),
        (["--columns", "a"], "--columns is for tables"),
        (["--split", "train"], "--split train names nothing; leave --split out"),
        (["--split", "half"], "split must be one of 'train', 'validation', 'test', got 'half'"),
        (["--bits", "3"], "outside 0 to 7 (--bits 3)"),
        (["--reduce-to", "9"], "pixels of 4 bits have no 9 bits"),
        (["--labels", "z"], "no array 'z'"),
        (["--labels", "absent.txt"], "absent.txt"),
        (["--config", "scales.json"], "images of 8 x 8 can be halved 3 times, got 4"),
        (["--config", "layers.json"], "has no option 'layers'; it has hidden, reversible"),
        (["--model", "glwo"], "did you mean glow"),
    ],
)
def test_mistakes_of_a_fit_are_one_line(run, shown, tmp_path, monkeypatch, flags, expected):
    monkeypatch.chdir(tmp_path)
    write_config(tmp_path / "scales.json", scales=4)
    write_config(tmp_path / "layers.json", layers=4)
    result = run("fit", shown / "x.npz", "-o", "m.safetensors", "--quiet", *flags)
    assert result.code == 2
    assert expected in result.err
    assert result.err.count("\n") == 1
    assert not (tmp_path / "m.safetensors").exists()


def test_flags_of_images_do_not_go_with_a_table(run, made, tmp_path):
    out = tmp_path / "m.safetensors"
    result = run("fit", made / "table.csv", "-o", out, "--flips")
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "--flips is for images, and here it is about tables" in result.err


def test_images_of_mixed_sizes_are_named(run, tmp_path):
    image = pytest.importorskip("PIL.Image")
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(4):
        side = 8 if i else 6
        image.fromarray(np.zeros((side, side), np.uint8)).save(folder / f"{i}.png")
    result = run("fit", folder, "-o", tmp_path / "m.safetensors")
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "several sizes" in result.err
    assert "0.png (6x6 L)" in result.err


def test_images_of_odd_sides_get_a_model_that_takes_them(run, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (30, 7, 9)).astype(np.uint8)
    np.save(tmp_path / "odd.npy", pixels)
    config = tmp_path / "c.json"
    config.write_text(json.dumps({"model": {"dim": 8, "blocks": 1}, "fit": {"epochs": 1}}))
    flags = ["-o", tmp_path / "m.safetensors", "--config", config, "--quiet"]
    assert run("fit", tmp_path / "odd.npy", *flags).code == 0
    assert type(load(tmp_path / "m.safetensors").flow).__name__ == "TarFlow"


def test_folders_of_classes_are_learned_by_their_names(run, tmp_path):
    image = pytest.importorskip("PIL.Image")
    x, y = images()
    for i, (pixels, k) in enumerate(zip(x, y, strict=True)):
        folder = tmp_path / "pictures" / ("left", "right")[k]
        folder.mkdir(parents=True, exist_ok=True)
        image.fromarray(pixels * 17).save(folder / f"{i:02}.png")
    config, out = write_config(tmp_path / "tiny.json"), tmp_path / "m.safetensors"
    flags = ["--config", config, "--reduce-to", "4", "--dequantization", "variational", "--quiet"]
    assert run("fit", tmp_path / "pictures", "-o", out, *flags).code == 0
    assert load(out).classes == ("left", "right")
    grid = tmp_path / "g.npz"
    assert run("sample", out, "-n", 3, "--class", "right", "-o", grid).code == 0
    with np.load(grid) as drawn:
        assert drawn["y"].tolist() == [1, 1, 1]
    result = run("report", out, "-o", tmp_path / "r.html")
    assert result.code == 0, result.err
    page = (tmp_path / "r.html").read_text("utf-8")
    assert "With 16 draws of the noise" in page
    assert "left to right, times" in page
