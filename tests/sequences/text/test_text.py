"""Texts: reading, fits, writing and filling in."""

from __future__ import annotations

import gzip
import lzma
from pathlib import Path
from typing import Any

import pytest

import diffeo
from diffeo.errors import DataError
from diffeo.models import ArgmaxAutoregressive, ArgmaxCoupling
from diffeo.sequences import fit_text, generate, infill, load_text
from diffeo.sequences.text import bits_per_character, text_data

RHYME = "the cat sat on the mat, and the rat sat on the cat. " * 40


@pytest.fixture(scope="module")
def model() -> ArgmaxAutoregressive:
    fitted: Any = fit_text(
        RHYME,
        length=24,
        options={"dim": 32, "layers": 1, "any_order": 0.5},
        epochs=8,
        lr=0.01,
        progress=False,
    )
    return fitted


def test_texts_come_from_files_plain_or_compressed(tmp_path: Path) -> None:
    text = "für Elise\n"
    for name, opened in {"a.txt": open, "a.txt.gz": gzip.open, "a.xz": lzma.open}.items():
        with opened(tmp_path / name, "wb") as file:  # type: ignore[operator]
            file.write(text.encode())
        assert load_text(tmp_path / name) == text


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"", "a.txt is empty"),
        ("a.txt", b"ab\nc\xff", "a.txt is no text in UTF-8: byte 4, in line 2, is 0xff"),
        ("a.txt.xz", b"no archive", "a.txt.xz is damaged, or no .xz file"),
        ("a.txt.gz", gzip.compress(b"text", mtime=0)[:-4], "a.txt.gz is damaged, or no .gz file"),
    ],
)
def test_files_that_are_no_text_are_named(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        load_text(tmp_path / name)


def test_a_text_is_learned(model: ArgmaxAutoregressive, tmp_path: Path) -> None:
    record = model.record["sequences"]
    assert (record["kind"], record["characters"]) == ("text", len(RHYME))
    assert record["held_out_bits"] < 0.5
    assert bits_per_character(model, RHYME[:200]).mean < 0.8
    again = generate(model, "the cat ", length=60, temperature=0.0)[0]
    assert again.startswith("the cat ")
    assert all(again[i : i + 8] in RHYME for i in range(50))
    model.save(tmp_path / "m.safetensors")
    loaded: Any = diffeo.load(tmp_path / "m.safetensors")
    assert generate(loaded, "the cat ", length=60, temperature=0.0) == [again]


def test_holes_are_filled_by_what_stands_around_them(model: ArgmaxAutoregressive) -> None:
    text = RHYME[:60]
    holed = text[:20] + "____" + text[24:]
    found = infill(model, holed, count=3, temperature=0.0)
    assert found == [found[0]] * 3
    assert found[0][:20] + found[0][24:] == text[:20] + text[24:]
    assert sum(a == b for a, b in zip(found[0], text, strict=True)) >= 58
    with pytest.raises(DataError, match="the text has no hole"):
        infill(model, text)
    with pytest.raises(ValueError, match="hole must be one character, got '__'"):
        infill(model, text, hole="__")


def test_a_file_is_fitted_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "rhyme.txt"
    path.write_text(RHYME, "utf-8")
    small: Any = {"options": {"dim": 8, "layers": 1}, "epochs": 1, "progress": False}
    for given in (path, str(path)):
        fitted = fit_text(given, length=16, **small)
        assert fitted.record["sequences"]["source"] == str(path)
    assert fit_text(RHYME[:400], **small).event_shape == (20,)


def test_errors_name_the_character_and_its_place(model: ArgmaxAutoregressive) -> None:
    with pytest.raises(DataError, match="the prefix holds 'X' at position 4"):
        generate(model, "the X")
    with pytest.raises(DataError, match="prefix has 24 characters, but the model sees 24"):
        generate(model, RHYME[:24], length=50)
    with pytest.raises(ValueError, match="length must be at least 8, got 5"):
        generate(model, "the cat ", length=5)
    with pytest.raises(DataError, match=r"poem\.txt holds '!' at line 2, column 4"):
        text_data("the\ncat!", [*model.alphabet, "\n"], "poem.txt")
    with pytest.raises(DataError, match="40 characters to train on are too few for windows of 24"):
        fit_text(RHYME[:40], length=24, validation=None)
    with pytest.raises(DataError, match="nothing but 'a'"):
        fit_text("a" * 100)
    with pytest.raises(FileNotFoundError, match="there_is_none"):
        fit_text("there_is_none.txt")


def test_couplings_write_whole_windows() -> None:
    model = fit_text(
        RHYME,
        model="argmax-coupling",
        length=8,
        options={"couplings": 2, "dim": 8, "layers": 1},
        epochs=1,
        progress=False,
    )
    assert isinstance(model, ArgmaxCoupling)
    assert model.record["sequences"]["held_out_bits"] > 0
    assert [len(text) for text in generate(model, length=6, count=3, seed=0)] == [6, 6, 6]
    assert bits_per_character(model, RHYME[:21]).symbols == 16
    with pytest.raises(DataError, match="only models of argmax-autoregressive are given a part"):
        generate(model, "the")
    with pytest.raises(DataError, match="takes 8 at a time"):
        bits_per_character(model, "the")
