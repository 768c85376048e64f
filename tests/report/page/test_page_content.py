"""Contents that do not fit together are refused with a reason."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from diffeo.errors import DataError, ShapeError
from diffeo.report.page import Anomalies, ReportColumn, ReportContent
from diffeo.report.page.coded import code

FRAME = pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]})
A, B = ReportColumn("a"), ReportColumn("b", "categorical")


@pytest.mark.parametrize(
    ("parts", "error", "words"),
    [
        ({"columns": [A, A]}, DataError, "'a' is there twice"),
        ({"columns": [ReportColumn("c")], "data": FRAME}, DataError, "data has no column 'c'"),
        ({"columns": [A], "samples": FRAME[:0]}, DataError, "samples has no rows"),
        ({"log_prob": {"m": np.zeros(3), "n": np.zeros(4)}}, ShapeError, "same rows"),
        ({"log_prob": {"m": np.array([0, np.nan])}}, DataError, "without NaN"),
        ({"log_prob": {"m": np.zeros(0)}}, DataError, "at least one row"),
        ({"log_prob": {"m": np.array([0, np.inf])}}, DataError, "infinite in row 1"),
        ({"columns": [A], "data": pd.concat([FRAME, FRAME], axis=1)}, DataError, "'a' twice"),
        ({"columns": [A], "data": FRAME, "pit": np.zeros((3, 1))}, ShapeError, r"\(2, 1\)"),
        ({"columns": [A], "pit": np.array([[1.5]])}, DataError, r"\[0, 1\]"),
        ({"anomalies": Anomalies(FRAME, np.zeros(3))}, ShapeError, "2 rows, but 3 of scores"),
    ],
)
def test_what_does_not_fit(parts, error, words):
    with pytest.raises(error, match=words):
        ReportContent("page", **parts).check()


def test_infinite_numbers_are_named():
    with pytest.raises(DataError, match=r"'a' holds -inf in row 1"):
        code([A], pd.DataFrame({"a": [0.0, -np.inf]}))


def test_labels_share_their_codes_whatever_their_types():
    frames = [
        pd.DataFrame({"n": pd.array([2, None, 1], dtype="Int64"), "t": ["x", None, "z"]}),
        pd.DataFrame({"n": [1.0, 3.0, np.nan], "t": pd.Categorical(["z", "new", "x"])}),
    ]
    columns = [ReportColumn("n", "integer", levels=(1, 2)), ReportColumn("t", "categorical")]
    coded = code(columns, *frames)
    assert coded.labels == (("1", "2", "3"), ("new", "x", "z"))
    np.testing.assert_array_equal(coded.tables[0], [[1, 1], [np.nan, np.nan], [0, 2]])
    np.testing.assert_array_equal(coded.tables[1], [[0, 2], [2, 0], [np.nan, 1]])
    assert coded.discrete.all()


def test_dates_are_seconds_and_booleans_labels():
    moments = pd.to_datetime(["1970-01-02 00:00:00", None, "2020-01-01 00:00:01"])
    frame = pd.DataFrame({"d": moments, "z": moments.tz_localize("UTC"), "b": [True, False, True]})
    columns = [
        ReportColumn("d", "datetime"),
        ReportColumn("z", "datetime"),
        ReportColumn("b", "boolean", levels=(False, True)),
    ]
    coded = code(columns, frame)
    expected = [86_400, np.nan, 1_577_836_801]
    np.testing.assert_array_equal(coded.tables[0][:, 0], expected)
    np.testing.assert_array_equal(coded.tables[0][:, 1], expected)
    assert coded.tables[0][:, 2].tolist() == [1, 0, 1]
    assert coded.dates.tolist() == [True, True, False]


def test_a_column_of_holes_is_coded():
    frame = pd.DataFrame({"a": [np.nan, np.nan], "b": [None, None]})
    coded = code([A, B], frame)
    assert np.isnan(coded.tables[0]).all()
    assert coded.labels == ((), ("(none)",))
