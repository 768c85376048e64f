from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch

from diffeo.arrays import column_names, in_order, is_tensor_like, like_input, to_tensor
from diffeo.errors import DataError, DtypeError

LIKE = torch.zeros(())


def test_column_names():
    assert column_names(pd.DataFrame({1: [0], "b": [0]})) == ["1", "b"]
    assert column_names(pl.DataFrame({"a": [0]})) == ["a"]
    assert column_names(np.zeros((2, 2))) is None
    assert column_names(pd.Series([1.0])) is None


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_columns_are_put_in_order(frame):
    x = frame({"a": [1, 2], "b": [3, 4]})
    assert column_names(in_order(x, ["b", "a"], "x")) == ["b", "a"]
    assert in_order(x, ["a", "b"], "x") is x
    # the fit saw no names
    assert in_order(x, ["x0", "x1"], "x") is x
    with pytest.raises(DataError, match=r"missing: \['c'\]; not in the fit: \['b'\]"):
        in_order(x, ["a", "c"], "x")


def test_names_that_are_not_text():
    x = pd.DataFrame(np.arange(4).reshape(2, 2), columns=[0, 1])
    assert in_order(x, ["1", "0"], "x").to_numpy().tolist() == [[1, 0], [3, 2]]


def test_what_has_no_names_stays_as_it_is():
    x = np.zeros((2, 2))
    assert in_order(x, ["a", "b"], "x") is x
    assert in_order(None, ["a"], "context") is None


def test_arrays_become_tensors_of_the_model():
    for like in (LIKE, LIKE.double()):
        made = to_tensor([[1, 2], [3, 4.5]], like)
        assert made.dtype == like.dtype
        assert made.tolist() == [[1, 2], [3, 4.5]]


def test_an_array_is_copied():
    x = np.zeros(3, dtype=np.float64)
    made = to_tensor(x, LIKE.double())
    x[0] = 1
    assert made[0] == 0


def test_tensors_pass_with_their_gradients():
    x = torch.ones(2, requires_grad=True)
    assert to_tensor(x, LIKE) is x
    assert not to_tensor(x, LIKE, cast=True).requires_grad
    assert to_tensor(torch.tensor([1, 2]), LIKE).dtype == torch.float32
    assert to_tensor(torch.tensor([True]), LIKE).tolist() == [1.0]


def test_a_tensor_of_another_dtype_is_refused_with_both_remedies():
    with pytest.raises(DtypeError, match=r"x\.to\(torch\.float32\).*\.to\(torch\.float64\)"):
        to_tensor(torch.zeros(2).double(), LIKE, "x")
    with pytest.raises(DtypeError, match="float16"):
        to_tensor(torch.zeros(2).half(), LIKE, "x")
    assert to_tensor(torch.zeros(2).double(), LIKE, cast=True).dtype == torch.float32


def test_a_tensor_on_another_device_is_refused():
    with pytest.raises(DtypeError, match=r"x is on meta but the model is on cpu"):
        to_tensor(torch.zeros(2, device="meta"), LIKE, "x")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([[1.0, "a"]], r"row 0, column 1 holds 'a'"),
        ([[1.0], [1.0, 2.0]], "not an array of numbers"),
        (np.array([[1.0, {}]], dtype=object), r"row 0, column 1 holds \{\}"),
        (pl.DataFrame({"a": [1.0], "b": ["t"]}), r"row 0, column 'b' holds 't'"),
        (pd.DataFrame({"a": pd.to_datetime(["2020-01-01"])}), "datetime64|Timestamp"),
        ("text", "the value holds 'text'"),
        (np.array([1j]), "complex128"),
    ],
)
def test_what_is_not_a_number_is_named(value, message):
    with pytest.raises(DataError, match=message):
        to_tensor(value, LIKE)


def test_missing_values_become_nan():
    assert torch.equal(
        to_tensor(np.array([1.0, None], dtype=object), LIKE).isnan(), torch.tensor([False, True])
    )
    assert bool(to_tensor(pl.DataFrame({"a": [None, 1.0]}), LIKE)[0].isnan())
    assert bool(to_tensor(np.ma.masked_array([1, 2], mask=[True, False]), LIKE)[0].isnan())


def test_arrays_go_out_as_they_came_in():
    result = torch.ones(2, requires_grad=True)
    assert like_input(result, LIKE, None) is result
    assert isinstance(like_input(result, LIKE, np.zeros(1)), np.ndarray)
    assert is_tensor_like(None, LIKE)
    assert not is_tensor_like([1.0])
