"""`diffeo score`, `sample`, `info`, `check` and `compare` on models that are fine."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cli_tables import values, write_csv

import diffeo
from diffeo.cli.numbers import RunningMean


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_score_writes_columns_and_log_prob(run, made: Path, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"s.{suffix}"
    result = run("score", made / "plain.safetensors", made / "table.csv", "-o", out)
    assert result.code == 0, result.err
    scored = (
        pd.read_csv(out, float_precision="round_trip") if suffix == "csv" else pd.read_parquet(out)
    )
    assert list(scored.columns) == ["a", "b", "c", "log_prob"]
    np.testing.assert_array_equal(scored[["a", "b", "c"]], values())
    expected = diffeo.load(made / "plain.safetensors").log_prob(values())
    np.testing.assert_allclose(scored["log_prob"], expected, atol=1e-5)
    mean, error = expected.mean(), expected.std(ddof=1) / np.sqrt(200)
    assert f"{mean:.3f}" in result.out
    assert f"± {error:.4f} nats" in result.out
    assert f"{-mean / 3 / np.log(2):.3f}" in result.out


def test_score_finds_columns_by_name(run, made: Path, tmp_path: Path) -> None:
    table = np.column_stack([values()[:, ::-1], np.arange(200)])
    shuffled = write_csv(tmp_path / "t.csv", table, "c,b,a,more")
    for model in ("plain", "given"):
        for name, data in (("1", made / "table.csv"), ("2", shuffled)):
            out = tmp_path / f"{model}{name}.csv"
            assert run("score", made / f"{model}.safetensors", data, "-o", out).code == 0
        assert (tmp_path / f"{model}1.csv").read_text() == (tmp_path / f"{model}2.csv").read_text()
    with open(tmp_path / "given1.csv") as file:
        assert next(csv.reader(file)) == ["b", "c", "a", "log_prob"]


def test_score_takes_nameless_columns_by_position(run, made: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "t.npy", values())
    np.savez(tmp_path / "t.npz", X=values()[:, 1:2], context=values()[:, [2, 0]])
    for model, data in (("plain", "t.npy"), ("given", "t.npz")):
        named = run(
            "score", made / f"{model}.safetensors", made / "table.csv", "-o", tmp_path / "n.csv"
        )
        result = run(
            "score", made / f"{model}.safetensors", tmp_path / data, "-o", tmp_path / "u.csv"
        )
        assert named.code == result.code == 0, result.err
        assert (tmp_path / "u.csv").read_text() == (tmp_path / "n.csv").read_text()


def test_a_model_without_names_takes_named_columns_by_position(run, tmp_path: Path) -> None:
    diffeo.NSF(3, layers=1, hidden=[8], seed=0).save(tmp_path / "m.safetensors")
    table = write_csv(tmp_path / "t.csv", values(), "a,b,c")
    result = run("score", tmp_path / "m.safetensors", table, "-o", tmp_path / "s.csv")
    assert result.code == 0, result.err
    assert (tmp_path / "s.csv").read_text().startswith("a,b,c,log_prob\n")


def test_score_streams_in_chunks(run, made: Path, tmp_path: Path, monkeypatch) -> None:
    seen = []
    whole = diffeo.NSF.log_prob

    def log_prob(self, x, context=None):
        seen.append(len(x))
        return whole(self, x, context)

    monkeypatch.setattr(diffeo.NSF, "log_prob", log_prob)
    big = write_csv(tmp_path / "t.csv", values(140_000), "a,b,c")
    result = run("score", made / "plain.safetensors", big, "-o", tmp_path / "s.parquet")
    assert result.code == 0
    assert sum(seen) == 140_000
    assert max(seen) <= 70_000
    assert len(pd.read_parquet(tmp_path / "s.parquet")) == 140_000


def test_mean_over_chunks_is_the_mean() -> None:
    numbers = 1e6 + np.random.default_rng(0).normal(size=1000)
    mean = RunningMean()
    for chunk in np.split(numbers, [1, 10, 700]):
        mean.add(chunk)
    assert mean.mean == pytest.approx(numbers.mean(), rel=1e-14)
    assert mean.standard_error == pytest.approx(numbers.std(ddof=1) / np.sqrt(1000), rel=1e-9)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_sample(run, made: Path, tmp_path: Path, suffix: str) -> None:
    frames = []
    for name, seed in (("1", 0), ("2", 0), ("3", 1)):
        out = tmp_path / f"{name}.{suffix}"
        # more than one chunk
        arguments = ["-n", 70_000, "-o", out, "--seed", seed]
        assert run("sample", made / "plain.safetensors", *arguments).code == 0
        frames.append(
            pd.read_csv(out, float_precision="round_trip")
            if suffix == "csv"
            else pd.read_parquet(out)
        )
    assert list(frames[0].columns) == ["a", "b", "c"]
    assert len(frames[0]) == 70_000
    assert frames[0].equals(frames[1])
    assert not frames[0].equals(frames[2])
    assert frames[0].drop_duplicates().shape == (70_000, 3)
    np.testing.assert_allclose(frames[0].std(), values().std(axis=0), rtol=0.15)


@pytest.mark.parametrize("n", [1, 7, 70_000])
def test_sample_given_contexts(run, made: Path, tmp_path: Path, n: int) -> None:
    contexts = write_csv(tmp_path / "c.csv", values()[:3], "a,b,c")
    out = tmp_path / "x.csv"
    result = run("sample", made / "given.safetensors", "-n", n, "--context", contexts, "-o", out)
    assert result.code == 0, result.err
    frame = pd.read_csv(out, float_precision="round_trip")
    assert list(frame.columns) == ["b", "c", "a"]
    np.testing.assert_array_equal(frame[["c", "a"]], np.repeat(values()[:3, [2, 0]], n, axis=0))
    assert frame["b"].nunique() > 0.99 * len(frame)


def test_info(run, made: Path) -> None:
    result = run("info", made / "given.safetensors")
    assert result.code == 0
    model = diffeo.load(made / "given.safetensors")
    assert f"{sum(p.numel() for p in model.parameters()):,} of float32" in result.out
    for expected in (
        "NSF(", "hidden=[8]", "StandardNormal > LU > Coupling > Standardize", "exact, on real()",
        "c, a", "180 trained on, 20 held out", "all epochs done", "epochs 1", diffeo.__version__,
    ):  # fmt: skip
        assert expected in result.out
    row = next(line for line in result.out.splitlines() if line.startswith("b "))
    assert f"{model.record['data']['statistics']['b']['mean']:.5g}" in row


def test_info_counts_equal_layers(run, tmp_path: Path) -> None:
    diffeo.MAF(2, layers=3, hidden=[8]).save(tmp_path / "m.safetensors")
    result = run("info", tmp_path / "m.safetensors")
    assert "2 x (Reverse > Inverse(MaskedAutoregressive)) > Standardize" in result.out
    assert "not fitted" in result.out


def test_info_of_a_mixture(run, tmp_path: Path) -> None:
    parts = [diffeo.NSF(2, layers=1, hidden=[8]) for _ in range(2)]
    diffeo.Mixture(*parts).save(tmp_path / "m.safetensors")
    assert "2 x (NSF)" in run("info", tmp_path / "m.safetensors").out


def test_check_passes(run, made: Path) -> None:
    result = run("check", made / "plain.safetensors")
    assert result.code == 0, result.out
    assert "round trip" in result.out


def test_check_fails_with_code_1(run, made: Path, monkeypatch) -> None:
    right = diffeo.transforms.LU.inverse

    def wrong(self, y, context=None):
        x, ladj = right(self, y, context)
        return x, ladj + 0.1

    monkeypatch.setattr(diffeo.transforms.LU, "inverse", wrong)
    result = run("check", made / "plain.safetensors")
    assert result.code == 1
    assert "FAILED" in result.out


def test_compare(run, made: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    first = made / "plain.safetensors"
    arguments = ["--config", made / "config.json", "--lr", "0.1", "--model", "nsf"]
    fitted = run("fit", made / "table.csv", "-o", other, *arguments)
    assert fitted.code == 0
    result = run("compare", first, other, made / "table.csv")
    assert result.code == 0, result.err
    scores = [diffeo.load(path).log_prob(values()).astype(float) for path in (first, other)]
    difference = scores[0] - scores[1]
    line = next(line for line in result.out.splitlines() if line.startswith("difference"))
    mean, error = map(float, re.findall(r"(-?[\d.]+) ± ([\d.]+)", line)[0])
    assert mean == pytest.approx(difference.mean(), abs=2e-4)
    assert error == pytest.approx(difference.std(ddof=1) / np.sqrt(200), abs=2e-4)
    assert f"{(other if mean < 0 else first)} is better" in result.out


def test_compare_a_model_with_itself(run, made: Path) -> None:
    model = made / "plain.safetensors"
    assert "no clear difference" in run("compare", model, model, made / "table.csv").out
