"""Scores, reasons and p-values of strange rows."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from diffeo.errors import DataError
from diffeo.tabular.anomaly import AnomalyDetector
from diffeo.tabular.anomaly.fitting import Training


def _line(rows: int, seed: int) -> np.ndarray:
    """Three columns that are equal but for a little noise."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, 1)) + 0.1 * rng.normal(size=(rows, 3))


@pytest.fixture(scope="module")
def detector() -> AnomalyDetector:
    return AnomalyDetector(trim=0.0, steps=200).fit(_line(400, 0))


def test_a_row_off_the_line_is_strange_though_each_value_is_common(detector):
    scores = detector.score(np.concatenate([_line(200, 1), [[1.0, 1.0, -1.0]]]))
    assert scores[-1] > scores[:-1].max()


def test_the_column_that_does_not_fit_is_the_reason(detector):
    given = detector.contributions([[1.0, -1.0, 1.0], [0.0, 0.0, 9.0]])
    assert given.argmax(axis=1).tolist() == [1, 2]
    np.testing.assert_allclose(
        given.sum(axis=1), detector.score([[1.0, -1.0, 1.0], [0.0, 0.0, 9.0]])
    )


def test_p_values_of_normal_rows_are_uniform_and_those_of_strange_rows_small(detector):
    p = detector.p_values(_line(1000, 2))
    for level in (0.05, 0.2, 0.5):
        assert abs((p <= level).mean() - level) < 0.08
    assert detector.p_values([[5.0, -5.0, 5.0]]).tolist() == [1 / 401]


def test_scores_of_the_rows_of_training_are_those_of_members_that_left_them_out(detector):
    left_out, all_members = detector.held_out_scores, detector.score(_line(400, 0))
    assert left_out.shape == (400,)
    assert np.corrcoef(left_out, all_members)[0, 1] > 0.7
    assert not np.allclose(left_out, all_members)


def test_trimming_keeps_a_cluster_of_anomalies_from_being_learned():
    rng = np.random.default_rng(0)
    cluster = rng.normal([4.0, -4.0, 4.0], 0.05, size=(40, 3))
    x = np.concatenate([_line(360, 3), cluster])
    robust = AnomalyDetector(trim=0.25, steps=200).fit(x)
    plain = AnomalyDetector(trim=0.0, steps=200).fit(x)
    assert not robust.kept[360:].any()
    assert robust.kept.sum() == 300
    # of the rows that are normal, how many score below the cluster
    assert np.mean(robust.score(x)[:360] < robust.score(cluster).min()) > 0.99
    assert np.median(plain.score(cluster)) < np.median(robust.score(cluster))


def test_one_seed_is_one_result():
    x = _line(100, 4)
    first, second, other = (AnomalyDetector(steps=20, seed=s).fit(x).score(x) for s in (1, 1, 2))
    assert np.array_equal(first, second)
    assert not np.allclose(first, other)


def test_holes_are_allowed_and_count_nothing(detector):
    x = _line(400, 5)
    x[np.random.default_rng(0).random(x.shape) < 0.1] = np.nan
    with_holes = AnomalyDetector(steps=100).fit(x)
    given = with_holes.contributions([[1.0, np.nan, -1.0], [np.nan, np.nan, np.nan]])
    assert given[0, 1] == 0
    assert given[1].tolist() == [0, 0, 0]
    assert np.isfinite(with_holes.held_out_scores).all()
    assert given[0].sum() > with_holes.score([[1.0, np.nan, 1.0]])[0]


def test_another_value_of_a_constant_column_scores_by_the_rule_of_succession():
    x = np.column_stack([_line(100, 6), np.full(100, 7.0)])
    fitted = AnomalyDetector(steps=20).fit(x)
    # each alone, as rows side by side may be rounded differently
    same, other = (fitted.contributions([[0.0, 0.0, 0.0, c]])[0] for c in (7.0, 7.5))
    assert same[3] == 0
    assert other[3] == pytest.approx(math.log(102))
    np.testing.assert_array_equal(same[:3], other[:3])


def _frame(rows: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    city = rng.choice(["Bern", "Rome", "Oslo"], rows)
    warmth = pd.Series(city).map({"Bern": 10.0, "Rome": 20.0, "Oslo": 0.0}) + rng.normal(size=rows)
    return pd.DataFrame({"city": city, "warmth": warmth, "planet": "Earth"})


def test_labels_that_do_not_fit_the_numbers_of_a_frame_are_found():
    fitted = AnomalyDetector(trim=0.0, steps=200).fit(_frame(500, 0))
    odd = pd.DataFrame({"city": ["Oslo", "Rome"], "warmth": [20.0, 20.0], "planet": "Earth"})
    given = fitted.contributions(odd)
    assert fitted.names == ["city", "warmth", "planet"]
    assert given[0, 0] > given[1, 0] + 3
    assert fitted.p_values(odd)[0] < 0.02 < fitted.p_values(odd)[1]


def test_a_label_never_seen_and_a_constant_broken_are_strange_not_errors():
    fitted = AnomalyDetector(trim=0.0, steps=200).fit(_frame(500, 0))
    rows = pd.DataFrame(
        {"city": ["Rome", "Lima", "Rome"], "warmth": 20.0, "planet": ["Earth", "Earth", "Mars"]}
    )
    usual, label, constant = fitted.contributions(rows)
    assert label[0] > usual[0] + 1
    assert constant[2] == pytest.approx(math.log(502))
    assert usual[2] == 0


def test_tables_of_few_distinct_rows_are_trained_less():
    few, many = np.tile(_line(499, 7), (2, 1)), _line(500, 7)
    assert AnomalyDetector()._training(few) == Training(0.1, 300)
    assert AnomalyDetector()._training(many) == Training(0.1, 1000)
    assert AnomalyDetector(bandwidth=0.2, steps=40)._training(few) == Training(0.2, 40)


def test_more_columns_than_rows_and_than_passes_of_the_network():
    x = np.random.default_rng(0).normal(size=(40, 300))
    fitted = AnomalyDetector(steps=20).fit(x)
    far = x[:1].copy()
    far[0, 123] = 12.0
    assert fitted.contributions(far)[0].argmax() == 123


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.zeros((5, 2)) + np.arange(5)[:, None], "at least 10 rows"),
        (np.ones((20, 2)), "all 2 columns of X are constant"),
        (np.full((20, 1), np.inf), "infinite in row 0, column 0"),
        (np.arange(20.0), "shape"),
        ([["a", "b"]] * 20, "numeric"),
        (np.column_stack([np.arange(20.0), np.full(20, np.nan)]), "column 1 of X holds no value"),
    ],
)
def test_data_that_cannot_be_used(data, message):
    with pytest.raises(DataError, match=message):
        AnomalyDetector().fit(data)


def test_scores_of_other_columns_and_before_any_fit(detector):
    with pytest.raises(DataError, match=r"expected X of shape \(rows, 3\)"):
        detector.score(np.zeros((2, 4)))
    with pytest.raises(DataError, match="call fit first"):
        AnomalyDetector().score(np.zeros((2, 4)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"trim": 0.6},
        {"trim": -0.1},
        {"bandwidth": 0.0},
        {"members": 1},
        {"steps": 0},
        {"steps": 19},
    ],
)
def test_arguments_out_of_range(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        AnomalyDetector(**wrong)
