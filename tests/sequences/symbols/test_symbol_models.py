"""Fits of symbols, their probabilities, and what is filled in."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from diffeo.audit import perturbed
from diffeo.errors import DataError, UnknownModelError
from diffeo.models import ArgmaxAutoregressive, ArgmaxCoupling
from diffeo.sequences import SymbolData, bits_per_symbol, fit_symbols
from diffeo.sequences.symbols import filled, log_probs
from diffeo.sequences.symbols.defaults import warm_cosine

TINY: dict[str, Any] = {"dim": 8, "layers": 1, "heads": 2}


def _model(length: int = 8, **options: Any) -> ArgmaxAutoregressive:
    model = ArgmaxAutoregressive(length, "abc", near=2, seed=0, **TINY, **options)
    return perturbed(model, seed=1)


def test_a_short_sequence_is_judged_by_log_prob() -> None:
    model = _model(4)
    data = SymbolData([[0, 1, 2, 1], [2, 2]], "abc")
    rows = torch.tensor([[0, 1, 2, 1], [2, 2, math.nan, math.nan]])
    expected = model.log_prob(rows).detach()
    assert np.allclose(log_probs(model, data), expected, atol=1e-5)
    bits = bits_per_symbol(model, data)
    assert bits.symbols == 6
    assert bits.mean == pytest.approx(-float(expected.sum()) / math.log(2) / 6, rel=1e-5)


def test_a_long_sequence_is_judged_window_by_window() -> None:
    model = _model(8)
    codes = np.random.default_rng(0).integers(0, 3, 21)
    found = log_probs(model, SymbolData([codes], "abc"), context=5)[0]
    expected, first = 0.0, 0
    for start, end in [(0, 8), (3, 11), (6, 14), (9, 17), (12, 20), (15, 21)]:
        row = torch.full((8,), math.nan)
        row[: end - start] = torch.from_numpy(codes[start:end])
        expected += float(model.conditionals(row).detach()[first - start :].sum())
        first = end
    assert found == pytest.approx(expected, rel=1e-5)
    with pytest.raises(ValueError, match="context must be from 0 to 7 symbols, got 8"):
        log_probs(model, SymbolData([codes], "abc"), context=8)


def test_couplings_are_judged_by_whole_windows() -> None:
    model = ArgmaxCoupling(4, "abc", couplings=2, **TINY, seed=0)
    data = SymbolData([[0, 1, 2, 0, 1, 1, 2, 2]] * 20, "abc")
    few, many = (bits_per_symbol(model, data, num_samples=k, seed=0).mean for k in (1, 50))
    assert many < few
    with pytest.raises(DataError, match=r"sequence 0 has 3 symbols, .* takes 4 at a time"):
        bits_per_symbol(model, SymbolData([[0, 1, 2]], "abc"))
    with pytest.raises(ValueError, match="couplings know no conditionals"):
        bits_per_symbol(model, data, context=2)


@pytest.mark.parametrize("total", [3, 8, 13, 30])
@pytest.mark.parametrize("options", [{}, {"periods": (2,), "groups": 2}, {"periods": (3, 5)}])
def test_holes_are_filled_and_what_is_given_stays(total: int, options: dict[str, Any]) -> None:
    model = _model(8, **options)
    codes = np.random.default_rng(1).integers(0, 3, total)
    codes[np.random.default_rng(2).random(total) < 0.6] = -1
    drawn = filled(model, codes, count=3, seed=0)
    assert drawn.shape == (3, total)
    assert (drawn[:, codes >= 0] == codes[codes >= 0]).all()
    assert ((drawn >= 0) & (drawn < 3)).all()
    assert np.array_equal(drawn, filled(model, codes, count=3, seed=0))
    with pytest.raises(DataError, match=r"holds 3 at \[0\]"):
        filled(model, np.array([3, -1]))


def test_a_window_is_filled_as_sample_does() -> None:
    model = _model(8)
    codes = np.array([0, -1, -1, 2, -1, 1, -1, -1])
    known = torch.from_numpy(np.where(codes < 0, np.nan, codes)).float()
    drawn = filled(model, codes, count=4, seed=3)
    # the same seed, of a generator that goes on from window to window
    assert np.array_equal(drawn, model.sample((), given=known.expand(4, 8), seed=3).numpy())


def test_what_a_sequence_repeats_is_learned_and_continued(tmp_path: Any) -> None:
    rows = [np.resize([0, 1, 2], 24 + i % 3) for i in range(40)]
    model = fit_symbols(
        SymbolData(rows, "abc", "the rows"),
        length=6,
        options={"dim": 16, "layers": 1},
        epochs=4,
        lr=0.01,
        progress=False,
    )
    record = model.record["sequences"]
    assert record["kind"] == "symbols"
    assert record["source"] == "the rows"
    assert record["held_out_bits"] < 0.3
    drawn = filled(model, np.array([1, 2] + [-1] * 20), temperature=0.0)  # type: ignore[arg-type]
    assert drawn[0].tolist() == [(1 + i) % 3 for i in range(22)]


def test_options_and_names_that_are_not_there() -> None:
    data = SymbolData(np.zeros((40, 4), int), "ab")
    with pytest.raises(UnknownModelError, match="argmax-autoregressive, argmax-coupling"):
        fit_symbols(data, model="lstm")
    with pytest.raises(DataError, match="'argmax-coupling' has no option 'any_order'"):
        fit_symbols(data, model="argmax-coupling", options={"any_order": 1})
    with pytest.raises(DataError, match="takes whole windows of 5 symbols, but there is none"):
        fit_symbols(data, model="argmax-coupling", length=5)


def test_the_learning_rate_rises_and_falls() -> None:
    factors = [warm_cosine(p / 100) for p in range(101)]
    assert 0 < factors[0] < 0.1
    assert max(factors) > 0.95
    assert factors[100] == 0
