"""The command with music and text."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from diffeo.sequences.music import load_music

TEXT = "so it goes, said the fox. " * 60


@pytest.fixture(scope="module")
def sequences(tmp_path_factory):
    """A folder with pieces and a text, and small models of them."""
    from diffeo.cli.main import main

    folder = tmp_path_factory.mktemp("sequences")
    random = np.random.default_rng(0)
    voices = np.stack([random.integers(low, low + 9, 160) for low in (64, 52)], 1)
    rolls = random.random((160, 88)) < 0.05
    lengths = np.full(8, 20)
    np.savez(folder / "voices.npz", pieces=voices.astype(np.int8), pieces_len=lengths)
    np.savez(folder / "rolls.npz", pieces=rolls.astype(np.uint8), pieces_len=lengths)
    (folder / "text.txt").write_text(TEXT)
    (folder / "symbols.json").write_text(json.dumps({"model": {"dim": 8, "layers": 1}}))
    (folder / "latent.json").write_text(json.dumps({"model": {"latent": 2, "hidden": 8}}))
    for name, data, config in (
        ("voices", "voices.npz", "symbols"),
        ("rolls", "rolls.npz", "latent"),
        ("text", "text.txt", "symbols"),
    ):
        fit = ["fit", folder / data, "--config", folder / f"{config}.json", "--epochs", 1]
        more = ["--quiet", "-o", folder / f"{name}.safetensors"]
        assert main([str(a) for a in [*fit, *more]]) == 0
    return folder


@pytest.mark.parametrize(
    ("name", "shown"),
    [("voices", "ArgmaxAutoregressive"), ("rolls", "LatentSequenceFlow"), ("text", "symbols")],
)
def test_info_says_what_they_are(run, sequences, name, shown):
    result = run("info", sequences / f"{name}.safetensors")
    assert result.code == 0
    assert shown in result.out
    assert "held out" in result.out


def test_pieces_as_sound_and_picture(run, sequences, tmp_path):
    pytest.importorskip("matplotlib")
    for name in ("rolls", "voices"):
        for suffix in (".wav", ".png"):
            path = tmp_path / f"{name}{suffix}"
            flags = ["-n", 1, "--length", 12, "-o", path]
            result = run("sample", sequences / f"{name}.safetensors", *flags)
            assert (result.code, result.err) == (0, "")
            assert "wrote 1 piece" in result.out
            assert path.stat().st_size > 1000


def test_a_voice_is_harmonised_and_a_piece_goes_on(run, sequences, tmp_path):
    pytest.importorskip("mido")
    model, given = sequences / "voices.safetensors", tmp_path / "given.mid"
    assert run("sample", model, "-n", 1, "--length", 8, "-o", given).code == 0
    melody = load_music(given, kind="voices").pieces[0]
    harmonised = tmp_path / "harmonised.npz"
    assert run("sample", model, "-n", 2, "--harmonise", given, "-o", harmonised).code == 0
    for piece in load_music(harmonised).pieces:
        assert (piece[:, 0] == melody[:, 0]).all()
    longer = tmp_path / "longer.npz"
    flags = ["-n", 1, "--prefix", given, "--length", 11, "-o", longer]
    assert run("sample", model, *flags).code == 0
    (piece,) = load_music(longer).pieces
    assert piece.shape == (11, 2)
    assert (piece[:8] == melody).all()


def test_every_piece_gets_a_score(run, sequences, tmp_path):
    for name in ("rolls", "voices"):
        path = tmp_path / f"{name}.csv"
        data = sequences / f"{name}.npz"
        assert run("score", sequences / f"{name}.safetensors", data, "-o", path).code == 0
        with open(path) as file:
            rows = list(csv.DictReader(file))
        assert [row["steps"] for row in rows] == ["20"] * 8
        for row in rows:
            assert float(row["nats_per_step"]) == pytest.approx(-float(row["log_prob"]) / 20)


def test_text_goes_on_and_is_filled_in(run, sequences, tmp_path):
    model, path = sequences / "text.safetensors", tmp_path / "t.txt"
    assert run("sample", model, "-n", 1, "--prefix", "so it ", "--length", 40, "-o", path).code == 0
    assert path.read_text().startswith("so it ")
    assert len(path.read_text()) == 41
    assert run("sample", model, "-n", 1, "--fill", "so __ goes", "-o", path).code == 0
    assert path.read_text()[:3] + path.read_text()[5:] == "so  goes\n"


def test_a_text_gets_its_bits(run, sequences, tmp_path):
    path = tmp_path / "s.csv"
    text = sequences / "text.txt"
    result = run("score", sequences / "text.safetensors", text, "-o", path)
    assert result.code == 0
    with open(path) as file:
        (row,) = csv.DictReader(file)
    assert int(row["characters"]) == len(TEXT)
    assert f"{float(row['bits_per_character']):.4f}" in result.out


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("text", ["--prefix", "SO", "-o", "t.txt"], "'S'"),
        ("text", ["--harmonise", "x.mid", "-o", "t.txt"], "--harmonise is for music"),
        ("text", ["-o", "t.mid"], "the name must end in .txt"),
        ("rolls", ["--fill", "a_", "-o", "t.wav"], "--fill is for text"),
        ("rolls", ["--harmonise", "x.mid", "-o", "t.wav"], "models of voices"),
        ("voices", ["-o", "t.csv"], "the name must end in"),
    ],
)
def test_what_cannot_be_drawn(run, sequences, tmp_path, monkeypatch, name, arguments, message):
    monkeypatch.chdir(tmp_path)
    result = run("sample", sequences / f"{name}.safetensors", "-n", 1, *arguments)
    assert result.code == 2
    assert message in result.err
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_midi_is_named(run, tmp_path):
    pytest.importorskip("mido")
    path = tmp_path / "no.mid"
    path.write_bytes(b"this is no music")
    result = run("fit", path, "-o", tmp_path / "m.safetensors")
    assert result.code == 2
    assert str(path) in result.err
