"""Rows from a TableFlow: samples, conditions, imputations; and reasons for scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from table_examples import CITIES, QUICK, SIZES, fitted, mixed_table

from diffeo import TableFlow
from diffeo.errors import DataError, ShapeError

TABLE = mixed_table()


def _derived_hold(frame: pd.DataFrame) -> bool:
    code = frame["city"].map({"Bern": 1, "Rome": 2, "Oslo": 3})
    return bool(
        (frame["twice"] == 2 * frame["age"] + 1).all()
        and (frame["constant"] == 7).all()
        and (frame["code"] == code).all()
    )


def test_samples_look_like_rows_of_the_table() -> None:
    drawn = fitted().sample(200, seed=0)
    assert list(drawn.columns) == list(TABLE.columns)
    pd.testing.assert_series_equal(drawn.dtypes, TABLE.dtypes)
    assert not drawn.isna().any(axis=None)
    assert _derived_hold(drawn)
    assert set(drawn["city"]) <= set(CITIES)
    assert drawn["hour"].isin(range(24)).all()
    assert (drawn["day"] == drawn["day"].dt.normalize()).all()
    assert (drawn["price"] == drawn["price"].round(2)).all()
    assert drawn["share"].between(0, 1).all()
    assert 0.05 < (drawn["income"] == 0).mean() < 0.5
    assert (drawn["income"] >= 0).all()
    assert np.isfinite(fitted().log_prob(drawn)).all()


def test_seeds_decide_samples() -> None:
    flow = fitted()
    pd.testing.assert_frame_equal(flow.sample(20, seed=1), flow.sample(20, seed=1))
    assert not flow.sample(20, seed=1).equals(flow.sample(20, seed=2))
    given = {"age": 40}
    first, again = (flow.sample(20, given=given, seed=1) for _ in range(2))
    pd.testing.assert_frame_equal(first, again)
    first, again = (flow.impute(TABLE, 2, seed=1)[1] for _ in range(2))
    pd.testing.assert_frame_equal(first, again)
    np.testing.assert_array_equal(
        flow.log_marginal(TABLE.head(9), num_samples=3, seed=1),
        flow.log_marginal(TABLE.head(9), num_samples=3, seed=1),
    )


@pytest.mark.parametrize("given", [None, {"age": 40}])
def test_numbers_of_samples(given: Any) -> None:
    flow = fitted()
    for n, rows in ((0, 0), (1, 1), (np.int64(3), 3)):
        drawn = flow.sample(n, given=given, seed=0)
        assert drawn.shape == (rows, TABLE.shape[1])
        pd.testing.assert_series_equal(drawn.dtypes, TABLE.dtypes)
    for n in (-1, 1.5, "3"):
        with pytest.raises(ShapeError, match="number of samples must be"):
            flow.sample(n, given=given)  # type: ignore[arg-type]


GIVEN: dict[str, Any] = {
    "city": "Rome",
    "age": 41,
    "hour": 23,
    "member": True,
    "day": pd.Timestamp("2021-03-04"),
    "price": 7.25,
    "grade": "top",
    "income": 0.0,
    "share": 0.25,
}


@pytest.mark.parametrize("name", GIVEN)
def test_samples_have_what_is_given(name: str) -> None:
    drawn = fitted().sample(5, given={name: GIVEN[name]}, seed=0)
    if name == "share":
        np.testing.assert_allclose(drawn[name], GIVEN[name], rtol=1e-14)
    else:
        assert (drawn[name] == GIVEN[name]).all()
    pd.testing.assert_series_equal(drawn.dtypes, TABLE.dtypes)
    assert _derived_hold(drawn)


def test_several_columns_can_be_given_in_any_form() -> None:
    given = {"day": "2021-03-04", "city": "Oslo", "age": np.int64(30), "height": None}
    drawn = fitted().sample(4, given=given, seed=0)
    assert (drawn["day"] == pd.Timestamp("2021-03-04")).all()
    assert (drawn["code"] == 3).all()
    assert (drawn["twice"] == 61).all()
    assert drawn["height"].nunique() == 4


IMPOSSIBLE = {
    "a name like another": ({"citi": "Rome"}, "did you mean 'city'"),
    "a derived column": ({"twice": 81}, "'twice' is an exact function of other columns"),
    "a level never seen": ({"city": "Paris"}, "column 'city' holds 'Paris', .*'Bern'"),
    "outside": ({"income": -3.0}, "column 'income' holds '-3.0'"),
    "beyond a bound": ({"share": 1.5}, "column 'share' holds '1.5'"),
    "on a bound": ({"share": 0.0}, "'share': 0.0.* outside its column's support"),
    "text": ({"age": "many"}, "column 'age' holds 'many'"),
    "nothing": ({}, "no value"),
    "None alone": ({"age": None}, "no value"),
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_impossible_conditions_are_named(name: str) -> None:
    given, message = IMPOSSIBLE[name]
    with pytest.raises(DataError, match=message):
        fitted().sample(2, given=given)


def test_imputations_fill_holes_and_keep_the_rest() -> None:
    first, second = fitted().impute(TABLE, 2, seed=0)
    holes = TABLE.isna()
    assert holes.to_numpy().sum() > 100
    for filled in (first, second):
        pd.testing.assert_series_equal(filled.dtypes, TABLE.dtypes)
        assert not filled.isna().any(axis=None)
        for name in TABLE.columns:
            there = ~holes[name]
            assert (filled[name][there] == TABLE[name][there]).all()
    assert (first["height"] != second["height"])[holes["height"]].all()


def test_a_table_without_holes_comes_back() -> None:
    whole = TABLE.dropna().reset_index(drop=True)
    (filled,) = fitted().impute(whole, seed=0)
    pd.testing.assert_frame_equal(filled, whole)


def test_imputing_columns_that_are_not_there_and_those_that_nobody_models() -> None:
    table = TABLE.drop(columns=["height", "twice"]).assign(note="kept")
    (filled,) = fitted().impute(table, seed=0)
    assert list(filled.columns) == [*table.columns, "height", "twice"]
    assert (filled["note"] == "kept").all()
    assert filled["height"].notna().all()
    assert (filled["twice"] == 2 * filled["age"] + 1).all()


def test_labels_never_seen_survive_imputation() -> None:
    table = TABLE.head(3).copy()
    table["grade"] = ["new", None, "top"]
    table["city"] = ["Paris", "Rome", None]
    (filled,) = fitted().impute(table, seed=0)
    assert filled["grade"].tolist()[::2] == ["new", "top"]
    assert filled["city"].tolist()[:2] == ["Paris", "Rome"]
    assert filled["city"][2] in CITIES


def test_reasons_are_the_conditional_log_probabilities() -> None:
    flow = fitted()
    reasons = flow.explain(TABLE)
    assert list(reasons.columns) == flow.schema.names
    holes = TABLE[flow.schema.names].isna().to_numpy()
    values = reasons.to_numpy()
    assert np.isfinite(values).all()
    assert (values[holes] == 0).all()
    assert not np.signbit(values[holes]).any()
    assert (values[~holes] != 0).all()
    # p(x_i | others) is the ratio of the densities with and without x_i, as far as orders agree
    row = TABLE.dropna().head(1)
    levels = pd.concat([row.assign(grade=level) for level in ("low", "mid", "top")])
    mass = np.exp(-flow.explain(levels)["grade"]).sum()
    assert 0.9 < mass < 1  # the rest is that of levels never seen


def test_a_single_observed_column_explains_its_own_density() -> None:
    flow = fitted()
    alone = pd.DataFrame({n: [None] for n in flow.schema.names}).assign(age=[41])
    # up to the differences between orders
    assert flow.explain(alone)["age"][0] == pytest.approx(-flow.log_prob(alone)[0], abs=0.05)


def test_strange_values_stand_out() -> None:
    strange = TABLE.dropna().head(4).reset_index(drop=True)
    before = fitted().explain(strange)
    strange.loc[0, "height"] = 50.0
    strange.loc[1, "city"] = "Paris"
    strange.loc[2, "income"] = -1.0
    after = fitted().explain(strange)
    assert after["height"][0] > before["height"][0] + 5
    assert after["city"][1] > before["city"][1] + 2
    assert np.isposinf(after["income"][2])
    assert np.isneginf(fitted().log_prob(strange)[2])
    assert np.isfinite(fitted().log_prob(strange)[[0, 1, 3]]).all()
    assert np.isneginf(fitted().log_marginal(strange, num_samples=2)[2])


def test_marginals_of_rows_without_holes_are_their_log_prob() -> None:
    whole = TABLE.dropna().head(20)
    found = fitted().log_marginal(whole, num_samples=2, seed=0)
    np.testing.assert_allclose(found, fitted().log_prob(whole), atol=1e-4)
    for bad in (0, 1.5):
        with pytest.raises(ValueError, match="num_samples must be a whole number"):
            fitted().log_marginal(whole, num_samples=bad)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="n must be a whole number"):
            fitted().impute(whole, bad)  # type: ignore[arg-type]


def test_a_row_of_holes_has_log_prob_zero() -> None:
    nothing = pd.DataFrame({name: [None, None] for name in TABLE.columns})
    assert fitted().log_prob(nothing).tolist() == [0.0, 0.0]
    assert not fitted().impute(nothing, seed=0)[0].isna().any(axis=None)


def test_one_column_and_one_row_are_enough_to_ask() -> None:
    table = {"word": ["a", "b", "b", None] * 30}
    flow = TableFlow(**SIZES).fit(table, **QUICK)
    mass = np.exp(flow.log_prob({"word": ["a", "b", "c"]}))
    assert mass.sum() == pytest.approx(1, abs=1e-5)
    assert flow.log_prob({"word": ["b"]}).shape == (1,)
    assert flow.sample(1, seed=0)["word"][0] in ("a", "b")
