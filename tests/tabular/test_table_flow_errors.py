"""Tables that a TableFlow cannot fit or score, named by row and column."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from table_examples import QUICK, SIZES, fitted, mixed_table, small_flow

from diffeo import TableFlow
from diffeo.errors import DataError, DataWarning
from diffeo.tabular.columns import infer_schema

TABLE = mixed_table(120)

BEFORE_FIT: dict[str, Callable[[TableFlow], Any]] = {
    "log_prob": lambda flow: flow.log_prob(TABLE),
    "sample": lambda flow: flow.sample(3),
    "sample given": lambda flow: flow.sample(3, given={"age": 40}),
    "impute": lambda flow: flow.impute(TABLE),
    "explain": lambda flow: flow.explain(TABLE),
    "log_marginal": lambda flow: flow.log_marginal(TABLE),
    "schema": lambda flow: flow.schema,
}


@pytest.mark.parametrize("what", BEFORE_FIT)
def test_before_fit(what: str) -> None:
    with pytest.raises(DataError, match="call fit first"):
        BEFORE_FIT[what](small_flow())


@pytest.mark.parametrize("method", ["log_prob", "explain", "log_marginal"])
def test_missing_columns_are_named(method: str) -> None:
    with pytest.raises(DataError, match="no column 'age'"):
        getattr(fitted(), method)(TABLE.drop(columns="age"))


def test_values_of_the_wrong_kind_are_named() -> None:
    wrong = TABLE.astype({"age": object})
    wrong.loc[4, "age"] = "old"
    for method in (fitted().log_prob, fitted().impute, fitted().explain):
        with pytest.raises(DataError, match="row 5, column 'age' holds 'old'"):
            method(wrong)


def _with(name: str, row: int, value: Any) -> pd.DataFrame:
    table = TABLE.copy()
    table.loc[row, name] = value
    return table


FITS: dict[str, tuple[Callable[[], Any], str]] = {
    "no table": (lambda: small_flow().fit(3, **QUICK), "expected a table"),
    "no rows": (lambda: small_flow().fit(TABLE.head(0), **QUICK), "0 rows"),
    "few rows": (
        lambda: TableFlow(**SIZES).fit(TABLE[["age", "city"]].head(5), **QUICK),
        "rows leave",
    ),
    "two columns of one name": (
        lambda: TableFlow(**SIZES).fit(pd.DataFrame(np.eye(9)[:, :2], columns=["a", "a"]), **QUICK),
        "two columns are called 'a'",
    ),
    "constant columns alone": (
        lambda: TableFlow(**SIZES).fit({"a": [1] * 30}, **QUICK),
        "'a' is constant",
    ),
    "a schema of other columns": (
        lambda: TableFlow({"agee": "integer"}, **SIZES).fit(TABLE, **QUICK),
        "names 'agee'.*did you mean 'age'",
    ),
    "a schema that contradicts": (
        lambda: TableFlow({"height": "positive"}, **SIZES).fit(TABLE, **QUICK),
        "column 'height' holds '-",
    ),
    "a value outside a schema": (
        lambda: TableFlow(fitted().schema, **SIZES).fit(_with("income", 7, -2.0), **QUICK),
        "row 8, column 'income' holds '-2.0', .*expected a positive value",
    ),
    "a value outside in validation": (
        lambda: small_flow().fit(TABLE, validation=_with("income", 7, -2.0), **QUICK),
        "row 8, column 'income' holds '-2.0', .*validation",
    ),
    "validation without a column": (
        lambda: small_flow().fit(TABLE, validation=TABLE.drop(columns="age"), **QUICK),
        "no column 'age'",
    ),
    "infinity": (
        lambda: small_flow().fit(_with("height", 2, np.inf), **QUICK),
        "row 3, column 'height' holds inf",
    ),
    "weights below 0": (
        lambda: small_flow().fit(TABLE, sample_weight=-np.ones(len(TABLE)), **QUICK),
        "sample_weight",
    ),
    "weights of other rows": (
        lambda: small_flow().fit(TABLE, sample_weight=np.ones(7), **QUICK),
        r"sample_weight must have shape \(120,\), got \(7,\)",
    ),
    "a column that is now all missing": (
        lambda: small_flow().fit(TABLE, **QUICK).fit(TABLE.assign(age=None), **QUICK),
        "'age' is all missing",
    ),
}


@pytest.mark.parametrize("name", FITS)
def test_tables_that_cannot_be_fitted(name: str) -> None:
    fit, message = FITS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        with pytest.raises(DataError, match=message):
            fit()


def test_columns_without_values_are_left_out_and_said() -> None:
    with pytest.warns(DataWarning, match="'empty' is left out"):
        flow = small_flow().fit(TABLE.assign(empty=None), **QUICK)
    assert "empty" not in flow.schema.names
    assert "empty" not in flow.sample(2, seed=0)
    (filled,) = flow.impute(TABLE.assign(empty=None), seed=0)
    assert filled["empty"].isna().all()


def test_columns_of_few_values_are_kept() -> None:
    """Then no held-out row may have one."""
    rare = TABLE.assign(height=TABLE["height"].where(np.arange(len(TABLE)) < 5))
    flow = small_flow().fit(rare, **QUICK)
    assert np.isfinite(flow.log_prob(TABLE)).all()


@pytest.mark.parametrize("validation", [0, 0.0, None])
def test_no_validation(validation: Any) -> None:
    flow = small_flow().fit(TABLE, validation=validation, **QUICK)
    assert flow.record["history"][-1]["validation"] is None


@pytest.mark.parametrize("validation", [-0.1, 1.5, 1, True])
def test_shares_that_are_none(validation: Any) -> None:
    with pytest.raises(ValueError, match=r"validation must be a share in \(0, 1\)"):
        small_flow().fit(TABLE, validation=validation, **QUICK)


def test_rows_are_frames_and_carry_no_gradients() -> None:
    with pytest.raises(TypeError, match="log_prob\\(\\) of what sample\\(\\) gives"):
        fitted().sample_and_log_prob(3)
    with pytest.raises(TypeError, match="cannot be reparameterised"):
        fitted().rsample(3)


def test_arguments() -> None:
    with pytest.raises(TypeError, match="schema must be a mapping or a Schema, got int"):
        TableFlow(3)  # type: ignore[arg-type]
    for size in ("width", "components", "orders"):
        with pytest.raises(ValueError, match=f"{size} must be a whole number >= 1, got 0"):
            TableFlow(**{size: 0})  # type: ignore[arg-type]


def test_extreme_numbers_stay_numbers() -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "large": 1e200 * rng.normal(size=80),
            "small": 1e-200 * rng.normal(size=80),
            "ends": np.r_[0.0, 1.0, rng.random(78)],
        }
    )
    flow = TableFlow({"ends": ("bounded", 0, 1)}, **SIZES).fit(table, **QUICK)
    assert np.isfinite(flow.log_prob(table)).all()
    drawn = flow.sample(50, seed=0)
    assert drawn["large"].abs().max() > 1e199
    assert drawn["small"].abs().max() < 1e-198
    assert drawn["ends"].between(0, 1).all()


def test_a_whole_schema_is_saved_after_fit_only(tmp_path: Path) -> None:
    flow = TableFlow(infer_schema(TABLE), width=8)
    with pytest.raises(DataError, match="call fit first"):
        flow.save(tmp_path / "m.safetensors")
    assert not list(tmp_path.iterdir())


def test_a_table_has_no_gradient() -> None:
    with pytest.raises(TypeError, match="explain"):
        fitted().score(TABLE)
