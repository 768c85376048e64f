"""Sequences of symbols, and windows of them."""

from __future__ import annotations

import numpy as np
import pytest

from diffeo.errors import DataError
from diffeo.models import ArgmaxAutoregressive
from diffeo.sequences import SymbolData
from diffeo.sequences.symbols.data import as_rows, for_alphabet
from diffeo.sequences.symbols.windows import cut, spans


def test_rows_of_an_array_end_where_minus_one_begins() -> None:
    data = SymbolData(np.array([[0, 2, -1], [1, 1, 1]]), "abc")
    assert data.lengths.tolist() == [2, 3]
    assert data.subset([1]).sequences[0].tolist() == [1, 1, 1]
    assert SymbolData([[0, 4]]).alphabet == ("0", "1", "2", "3", "4")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "there are no sequences"),
        ([[0], []], "sequence 1 is empty"),
        ([[0, 1], [0, 3]], "sequence 1 holds 3 at 1, but there are 3 symbols"),
        ([[0, -1, 1]], "sequence 0 holds 1 at 2, behind a -1 at 1"),
        ([[0, -2]], "sequence 0 holds -2 at 1"),
        ([[0.5]], "sequence 0 must hold whole numbers"),
        ([["a"]], "sequence 0 must hold whole numbers"),
    ],
)
def test_what_is_no_symbol_is_named(rows: list[list[int]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        SymbolData(rows, "abc")  # type: ignore[arg-type]


def test_symbols_are_matched_by_their_names() -> None:
    model = ArgmaxAutoregressive(3, "cab", dim=8, layers=1)
    data = for_alphabet(model, SymbolData([[0, 1, 2]], "abc"))
    assert data.sequences[0].tolist() == [1, 2, 0]
    with pytest.raises(DataError, match="sequence 1 holds 'd' at 2, which is not one of the 3"):
        for_alphabet(model, SymbolData([[0], [0, 1, 2]], "abd"))


def test_events_have_holes_behind_their_end() -> None:
    rows = as_rows([np.array([1, 2]), np.array([0])], 2)
    assert rows.nan_to_num(nan=-1).tolist() == [[1, 2], [0, -1]]
    with pytest.raises(DataError, match="sequence 0 has 2 symbols, but this model takes at most 1"):
        as_rows([np.array([1, 2])], 1)


@pytest.mark.parametrize("total", [1, 5, 8, 9, 16, 23])
def test_every_symbol_is_in_a_window(total: int) -> None:
    windows = cut([np.arange(total)], 8, 4)
    assert set(windows.flatten()) - {-1} == set(range(total))
    assert windows.shape[1] == 8


@pytest.mark.parametrize("total", [1, 5, 8, 9, 16, 23])
@pytest.mark.parametrize("context", [0, 3, 7])
def test_every_symbol_counts_once_and_sees_its_context(total: int, context: int) -> None:
    counted = []
    for start, first, end in spans(total, 8, context):
        assert end - start <= 8
        assert first - start >= min(context, first)
        counted += range(first, end)
    assert counted == list(range(total))
