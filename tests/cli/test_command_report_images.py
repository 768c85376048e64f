"""`diffeo report` of a model of images."""

from __future__ import annotations

import re

import numpy as np

ANCHORS = (
    "model",
    "bits",
    "learning",
    "samples",
    "neighbours",
    "paths",
    "directions",
    "outside",
    "round-trip",
)


def _page(path):
    return re.sub(r"<script>.*?</script>", "", path.read_text("utf-8"), flags=re.DOTALL)


def test_a_report_finds_the_images_that_were_held_out(run, shown, tmp_path):
    path = tmp_path / "r.html"
    result = run("report", shown / "classes.safetensors", "-o", path)
    assert (result.code, result.err) == (0, "")
    page = _page(path)
    assert "6 held-out images" in page
    assert "of 54 training images" in page
    for anchor in ANCHORS:
        assert f'<section id="{anchor}"' in page
    for temperature in (0.6, 0.7, 0.8, 0.9, 1.0):
        assert f"temperature {temperature}<" in page
    assert page.count("<img ") == len(re.findall(r'<img [^>]*alt="[^"]+"', page)) == 9
    # the file of the fit is recognised
    assert run("report", shown / "classes.safetensors", shown / "x.npz", "-o", path).code == 0
    assert "6 held-out images" in _page(path)


def test_a_report_on_new_images_beside_others(run, shown, tmp_path):
    other = tmp_path / "other.npz"
    noise = np.random.default_rng(0).integers(0, 16, (40, 8, 8)).astype(np.uint8)
    np.savez(other, x=noise, scale=np.array(15))
    path = tmp_path / "r.html"
    flags = ["-o", path, "--against", other, "--title", "Sides"]
    result = run("report", shown / "plain.safetensors", shown / "new.npz", *flags)
    assert (result.code, result.err) == (0, "")
    page = _page(path)
    assert "<h1>Sides</h1>" in page
    assert "60 held-out images" in page
    assert ">other.npz<" in page
    # labels of the data give directions to a model without classes too
    assert "0 to 1, times" in page


def test_mistakes_of_a_report_are_one_line(run, shown, made, tmp_path):
    plain, table = shown / "plain.safetensors", made / "plain.safetensors"
    wide = tmp_path / "wide.npy"
    np.save(wide, np.zeros((5, 8, 10), np.uint8))
    for given, expected in (
        ([plain, wide], "images of 8 x 10 pixels"),
        ([plain, tmp_path / "absent.npz"], "absent.npz"),
        ([plain, shown / "x.npz", "--against", wide], "images of 8 x 10 pixels"),
        ([table], "name a table to judge the model by"),
        ([table, made / "table.csv", "--against", wide], "--against is for images"),
    ):
        result = run("report", *given, "-o", tmp_path / "r.html")
        assert (result.code, result.err.count("\n")) == (2, 1), result
        assert expected in result.err
        assert not (tmp_path / "r.html").exists()
