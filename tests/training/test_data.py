from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch

import diffeo
from diffeo.errors import ContextError, DataError, DataWarning, ShapeError

QUICK = {"epochs": 2, "progress": False}


def fitted(model, x, **options):
    return model.fit(x, **{**QUICK, **options})


def same(one, other):
    """Whether two models hold the same bits."""
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


# -- what fit takes ----------------------------------------------------------------------------


CONTAINERS = {
    "float64 array": lambda x: x.astype(np.float64),
    "lists": lambda x: x.tolist(),
    "float32 tensor": torch.from_numpy,
    "float64 tensor": lambda x: torch.from_numpy(x).double(),
    "tensor with gradient": lambda x: torch.from_numpy(x).requires_grad_(),
    "pandas": lambda x: pd.DataFrame(x, columns=["a", "b"]),
    "pandas extension dtype": lambda x: pd.DataFrame(x, columns=["a", "b"]).astype("Float64"),
    "polars": lambda x: pl.DataFrame(x, schema=["a", "b"]),
    "fortran order": np.asfortranarray,
    "strided": lambda x: np.repeat(x, 2, axis=0)[::2],
    "negative strides": lambda x: np.ascontiguousarray(x[::-1, ::-1])[::-1, ::-1],
    "big endian": lambda x: x.astype(">f8"),
    "long double": lambda x: x.astype(np.longdouble),
    "objects": lambda x: x.astype(object),
    "strided tensor": lambda x: torch.from_numpy(np.repeat(x, 2, axis=1))[:, ::2],
}


@pytest.mark.parametrize("kind", CONTAINERS)
def test_every_container_gives_the_same_model(small, table, kind):
    table = table.astype(np.float32)
    model = small()
    assert fitted(model, CONTAINERS[kind](table)) is model
    assert same(model, fitted(small(), table))


def test_read_only_arrays_are_taken_and_left_alone(small, table):
    before = table.copy()
    table.setflags(write=False)
    fitted(small(), table)
    np.testing.assert_array_equal(table, before)


@pytest.mark.parametrize(
    "dtype", ["float16", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
)
def test_other_dtypes_are_taken_by_value(small, dtype):
    counts = np.random.default_rng(0).integers(0, 100, size=(200, 2))
    with pytest.warns(DataWarning):
        one = fitted(small(), counts.astype(dtype))
    with pytest.warns(DataWarning):
        assert same(one, fitted(small(), counts.astype(np.float64)))


@pytest.mark.parametrize("dtype", [torch.bool, torch.int32, torch.float16, torch.bfloat16])
def test_other_tensor_dtypes_are_taken(small, dtype):
    bits = torch.from_numpy(np.random.default_rng(0).integers(0, 2, size=(200, 2))).to(dtype)
    with pytest.warns(DataWarning):
        model = fitted(small(), bits)
    assert model.record["data"]["statistics"]["x0"]["resolution"] == 1


def test_columns_of_a_frame_travel_with_the_model(small, table, tmp_path):
    context = pl.DataFrame({"hour": table[:, 0] ** 2})
    model = small(context=1)
    fitted(model, pd.DataFrame(table, columns=["a", "b"]), context=context)
    model.save(tmp_path / "m.safetensors")
    data = diffeo.load(tmp_path / "m.safetensors").record["data"]
    assert (data["columns"], data["context_columns"]) == (["a", "b"], ["hour"])


# -- validation --------------------------------------------------------------------------------


def test_validation_as_a_share_or_as_rows(small, table):
    def rows(validation):
        data = fitted(small(), table, validation=validation).record["data"]
        return data["rows"], data["validation_rows"]

    assert rows(0.25) == (180, 60)
    assert rows(np.float32(0.25)) == (180, 60)
    assert rows(table[:30] + 0.01) == (240, 30)
    assert rows((table[:30] + 0.01, None)) == (240, 30)
    assert rows(None) == rows(0) == rows(False) == (240, 0)


def test_validation_of_a_conditional_model(small, table):
    x, c = table[:, :1], table[:, 1:]
    with pytest.warns(UserWarning, match="one feature"):
        model = small(1, context=1)
    fitted(model, x, context=c, validation=(x[:20], c[:20]))
    assert model.record["data"]["validation_rows"] == 20
    with pytest.raises(ContextError, match=r"validation rows: .*pass context="):
        fitted(model, x, context=c, validation=x[:20])


def test_a_validation_frame_is_matched_by_name(small, table):
    frame = pd.DataFrame(table, columns=["a", "b"])
    held = frame[:40] + 0.01
    straight = fitted(small(), frame, validation=held).record["best_loss"]
    assert fitted(small(), frame, validation=held[["b", "a"]]).record["best_loss"] == straight
    with pytest.raises(DataError, match=r"validation rows.*missing: \['b'\]"):
        fitted(small(), frame, validation=held.rename(columns={"b": "z"}))


@pytest.mark.parametrize(
    ("validation", "error", "message"),
    [
        (1.5, ValueError, "share"),
        (True, ValueError, "share"),
        (np.empty((0, 2)), DataError, "validation rows are empty"),
        (
            np.array([[1.0, np.nan]]),
            DataError,
            "validation rows: X holds nan .* row 0, column 'x1'",
        ),
        (np.zeros((5, 3)), ShapeError, "validation rows"),
        ((np.zeros((5, 2)),), ValueError, "must be .X, context."),
    ],
)
def test_bad_validation_is_named(small, table, validation, error, message):
    with pytest.raises(error, match=message):
        fitted(small(), table, validation=validation)


def test_bad_validation_context_is_named(small, table):
    c = np.ones((240, 1))
    with pytest.raises(DataError, match=r"validation rows: context holds nan .* row 1"):
        fitted(small(context=1), table, context=c, validation=(table[:2], [[1.0], [np.nan]]))


# -- weights -----------------------------------------------------------------------------------


def one_step(model, x, **options):
    """One step of plain descent on all rows, in the data's units."""
    descent = {"optimizer": torch.optim.SGD, "schedule": "constant", "lr": 0.1, "clip": None}
    whole = {"epochs": 1, "validation": None, "batch_size": 10**6, "standardize": False}
    return model.fit(x, progress=False, **{**descent, **whole, **options})


def one_step_by_hand(model, x):
    loss = -model.log_prob(torch.from_numpy(x)).mean()
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    with torch.no_grad():
        for p, gradient in zip(model.parameters(), gradients, strict=True):
            p -= 0.1 * gradient
    return model


def assert_close(one, other):
    for name, value in one.named_parameters():
        torch.testing.assert_close(value, other.get_parameter(name), rtol=0, atol=1e-12)


@pytest.mark.parametrize("unit", [1.0, 1e-30, 1e300, 7])
def test_weight_two_counts_as_two_rows(small, table, unit):
    twice = np.arange(len(table)) % 3 == 0
    weighted = one_step(small().double(), table, sample_weight=unit * (1 + twice))
    assert_close(
        weighted, one_step_by_hand(small().double(), np.concatenate([table, table[twice]]))
    )
    assert not same(weighted, one_step(small().double(), table))


def test_rows_of_weight_zero_do_not_count(small, table):
    outliers = np.concatenate([table, table[:20] * 1e6])
    weight = np.concatenate([np.ones(240), np.zeros(20)])
    model = fitted(small(), outliers, sample_weight=pd.Series(weight))
    assert same(model, fitted(small(), table, sample_weight=np.ones(240)))
    assert model.record["data"]["statistics"]["x0"]["max"] == pytest.approx(table[:, 0].max())


def test_the_validation_loss_is_a_weighted_mean(small, table):
    weight = np.random.default_rng(1).gamma(1, size=240)
    model = fitted(small(), table, sample_weight=weight, validation=0.5)
    # the held-out rows are those whose weighted mean is the recorded loss
    record = model.record["best_loss"]
    assert record == pytest.approx(fitted(small(), table, validation=0.5).record["best_loss"], 0.2)
    scaled = fitted(small(), table, sample_weight=weight * 16, validation=0.5)
    assert scaled.record["best_loss"] == record


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.ones(239), r"shape \(240,\), got \(239,\)"),
        (np.ones((240, 1)), r"shape \(240,\)"),
        (np.zeros(240), "0 everywhere"),
        (np.r_[np.ones(239), -1], "row 239 has -1"),
        (np.r_[np.ones(5), np.nan, np.ones(234)], "row 5 has nan"),
        (np.r_[np.inf, np.ones(239)], "row 0 has inf"),
        (["a"] * 240, "sample_weight must be numeric, but row 0 holds 'a'"),
    ],
)
def test_bad_weights_are_named(small, table, weight, message):
    with pytest.raises(DataError, match=message):
        fitted(small(), table, sample_weight=weight)


# -- bad data ----------------------------------------------------------------------------------


def with_value(table, value, row=7, column=1):
    changed = table.copy()
    changed[row, column] = value
    return changed


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_values_that_are_not_finite_are_named(small, table, value):
    with pytest.raises(DataError, match=r"row 7, column 'b'"):
        fitted(small(), pd.DataFrame(with_value(table, value), columns=["a", "b"]))


def test_masked_values_are_not_taken_as_numbers(small, table):
    masked = np.ma.masked_array(table, mask=with_value(np.zeros_like(table), 1).astype(bool))
    with pytest.raises(DataError, match=r"X holds nan .* row 7, column 'x1'"):
        fitted(small(), masked)


def test_the_number_of_further_bad_values_is_said(small, table):
    table[3:6, 0] = np.nan
    with pytest.raises(DataError, match=r"row 3, column 'x0' \(and 2 more such values\)"):
        fitted(small(), table)


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_text_is_named(small, table, frame):
    text = frame({"a": table[:, 0], "b": ["1.5"] * 3 + ["n/a"] + ["2"] * 236})
    with pytest.raises(DataError, match=r"row 3, column 'b' holds 'n/a'"):
        fitted(small(), text)


def test_dates_and_complex_numbers_are_refused(small, table):
    days = np.arange(480).reshape(240, 2).astype("datetime64[D]")
    with pytest.raises(DataError, match="datetime64"):
        fitted(small(), days)
    with pytest.raises(DataError, match="complex128"):
        fitted(small(), table + 1j)
    with pytest.raises(TypeError, match="complex128"):
        fitted(small(), torch.from_numpy(table + 1j))


def test_constant_columns_are_named(small, table):
    frame = pd.DataFrame({"a": table[:, 0], "site": 3.0})
    with pytest.raises(DataError, match=r"constant columns .* site; drop them"):
        fitted(small(), frame)


def test_identical_columns_are_named(small, table):
    frame = pd.DataFrame({"a": table[:, 0], "b": table[:, 1], "copy": table[:, 0]})
    with pytest.raises(DataError, match="columns 'a' and 'copy' are identical"):
        fitted(small(3), frame)


def test_columns_of_one_name_are_refused(small, table):
    with pytest.raises(DataError, match="several columns are called 'a'"):
        fitted(small(), pd.DataFrame(table, columns=["a", "a"]))


@pytest.mark.parametrize("rows", [0, 1, 5, 10])
def test_too_few_rows_are_counted(small, table, rows):
    with pytest.raises(DataError, match=f"{rows} rows leave {max(0, rows - 1)} to train on"):
        fitted(small(), table[:rows])


def test_ten_rows_suffice_without_validation(small, table):
    assert fitted(small(), table[:10], validation=None).record["data"]["rows"] == 10


@pytest.mark.parametrize("shape", [(50, 3), (50,), (0,), (5, 10, 2)])
def test_a_wrong_width_is_said(small, shape):
    with pytest.raises((ShapeError, DataError), match=r"2\)|rows, features"):
        fitted(small(), np.zeros(shape))


def test_context_must_fit_model_and_rows(small, table):
    with pytest.raises(ContextError, match="not conditional"):
        fitted(small(), table, context=table)
    conditional = small(context=3)
    with pytest.raises(ContextError, match="got none"):
        fitted(conditional, table)
    with pytest.raises(ContextError, match=r"3\), got one of shape \(240, 2\)"):
        fitted(conditional, table, context=table)
    with pytest.raises(ContextError, match=r"\(240, 3\), one row for each"):
        fitted(conditional, table, context=np.zeros((239, 3)))
    frame = pd.DataFrame(np.ones((240, 3)), columns=["g", "h", "i"])
    frame.loc[2, "h"] = np.nan
    with pytest.raises(DataError, match=r"context holds nan .* row 2, column 'h'"):
        fitted(conditional, table, context=frame)


@pytest.mark.parametrize("value", [0.0, -0.0, -1.0])
def test_values_outside_a_positive_support_are_named(small, table, value):
    model = small(supports=[diffeo.real(), diffeo.positive()])
    table[:, 1] = np.exp(table[:, 1])
    with pytest.raises(DataError, match=r"row 7, column 'x1', outside or on the bound .*positive"):
        fitted(model, with_value(table, value))


@pytest.mark.parametrize("value", [0.0, 1.0, 1.1])
def test_values_outside_an_interval_are_named(small, table, value):
    model = small(supports=diffeo.interval(0, 1))
    table = 1 / (1 + np.exp(-table))
    fitted(small(supports=diffeo.interval(0, 1)), table)
    with pytest.raises(DataError, match=r"row 7, column 'x1', outside or on the bound"):
        fitted(model, with_value(table, value))


def test_a_column_that_float32_cannot_resolve_is_refused(small, table):
    seconds = 1.7e9 + table * 1800
    with pytest.raises(DataError, match=r"'x0' varies by about .*double\(\)"):
        fitted(small(), seconds)
    with pytest.raises(DataError, match=r"constant columns \(as torch.float32\)"):
        fitted(small(), 1.7e9 + table)
    model = fitted(small().double(), seconds, epochs=30, lr=1e-2)
    assert model.record["best_loss"] == pytest.approx(gaussian_loss(seconds), abs=0.3)


def gaussian_loss(x):
    """Negative log-likelihood of the normal with the moments of ``x``, per row."""
    return 0.5 * np.linalg.slogdet(2 * np.pi * np.e * np.cov(x.T))[1]


@pytest.mark.parametrize("scale", [1e6, 1e-6, 1.0])
@pytest.mark.parametrize("offset", [0, 100])
def test_data_of_any_scale_fit_alike(small, table, scale, offset):
    x = (table + offset) * scale
    model = fitted(small(), x, epochs=40, lr=1e-2)
    assert model.record["best_loss"] == pytest.approx(gaussian_loss(x), abs=0.3)


def test_a_year_of_unix_timestamps_in_float32(small):
    time = 1.7e9 + np.random.default_rng(0).uniform(0, 3.15e7, size=(1000, 2))
    model = fitted(small(), time, epochs=30, lr=1e-2)
    # uniform on a year, both columns
    assert model.record["best_loss"] == pytest.approx(2 * np.log(3.15e7), abs=0.5)


def test_a_second_fit_takes_columns_by_name(small, table):
    frame = pd.DataFrame(table, columns=["a", "b"])
    one = fitted(fitted(small(), frame), frame[["b", "a"]])
    assert same(one, fitted(fitted(small(), frame), frame))
    with pytest.raises(DataError, match="columns of the fit"):
        fitted(one, frame.rename(columns={"a": "z"}))
