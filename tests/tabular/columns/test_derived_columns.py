"""Constant columns and exact functions of others: found, left out, given back, and checked."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from diffeo.tabular.columns import Schema, infer_schema

ROWS = 1000
RNG = np.random.default_rng(1)
A, B = RNG.normal(size=(2, ROWS))
CODE = RNG.integers(100, 130, ROWS)


def derive(**columns: object) -> Schema:
    frame = pd.DataFrame(columns)
    schema = infer_schema(frame)
    pd.testing.assert_frame_equal(
        schema.decode(schema.encode(frame)), frame, check_exact=False, rtol=1e-6
    )
    assert not schema.contradictions(frame).any()
    return schema


def test_constants_of_every_kind() -> None:
    schema = derive(a=A, n=7, f=0.5, w="k", t=pd.Timestamp("2020-02-03"), b=True)
    assert schema.names == ["a"]
    assert schema.notes[:3] == (
        "column 'n' is constant (7)",
        "column 'f' is constant (0.5)",
        "column 'w' is constant ('k')",
    )
    assert schema.notes[3] == "column 't' is constant ('2020-02-03 00:00:00')"


def test_copies_in_other_dtypes() -> None:
    schema = derive(a=A, b=A, c=A.astype(np.float32), i=CODE, j=CODE.astype(float))
    assert schema.names == ["a", "i"]
    assert [schema.derived[name].of for name in "bcj"] == [("a",), ("a",), ("i",)]
    assert schema.notes[0] == "column 'b' is a copy of 'a'"


def test_affine_functions_and_sums_of_parts() -> None:
    b = B.round(2)
    schema = derive(a=A, b=b, f=1.8 * b + 32, total=A + b, half=(A - 2 * b) / 2)
    assert schema.names == ["a", "b"]
    assert schema.derived["f"].weights == (1.8,)
    assert schema.derived["f"].start == 32
    assert schema.derived["total"].weights == (1, 1)
    assert "column 'f' equals 1.8 * 'b' + 32" in schema.notes
    assert "column 'half' equals 0.5 * 'a' - 'b'" in schema.notes


def test_sums_in_single_precision() -> None:
    a, b = A.astype(np.float32), (100 * B).astype(np.float32)
    schema = infer_schema(pd.DataFrame({"a": a, "b": b, "c": a + b}))
    assert schema.names == ["a", "b"]
    # a difference above the rounding of single precision is no rule
    off = (a + b) * (1 + 1e-4 * RNG.normal(size=ROWS)).astype(np.float32)
    assert infer_schema(pd.DataFrame({"a": a, "b": b, "c": off})).names == ["a", "b", "c"]


def test_dates_follow_from_dates_and_durations() -> None:
    start = pd.Timestamp("2020-01-01") + pd.to_timedelta(RNG.integers(0, 10**6, ROWS), "s")
    took = pd.to_timedelta(RNG.integers(0, 5000, ROWS), "s")
    schema = derive(start=start, took=took, end=start + took)
    assert schema.names == ["start", "took"]


def test_dummies_sum_to_one() -> None:
    which = RNG.integers(0, 3, ROWS)
    dummies = {f"d{k}": (which == k).astype(np.int8) for k in range(3)}
    schema = derive(**dummies, a=A)
    assert schema.names == ["d0", "d1", "a"]
    assert schema.notes == ("column 'd2' equals - 'd0' - 'd1' + 1",)


def test_names_follow_codes_and_groups_follow_names() -> None:
    schema = derive(
        code=CODE,
        name=[f"n{c}" for c in CODE],
        group=[f"g{c // 7}" for c in CODE],
        price=np.sqrt(CODE),
        a=A,
    )
    assert schema.names == ["name", "a"]
    assert {rule.of for rule in schema.derived.values()} == {("name",)}


def test_labels_that_are_one_and_the_same() -> None:
    few = RNG.integers(0, 3, ROWS)
    schema = derive(few=few, word=np.array(["x", "z", "y"])[few].astype(object), turned=2 - few)
    assert schema.names == ["few"]
    assert schema.derived["word"].table == (0, 2, 1)


@pytest.mark.parametrize("noise", [1e-9, 1e-3])
def test_nearly_dependent_is_not_dependent(noise: float) -> None:
    c = A + B + noise * RNG.normal(size=ROWS)
    assert infer_schema({"a": A, "b": B, "c": c}).names == ["a", "b", "c"]


def test_coincidences_are_no_rules() -> None:
    rare = np.zeros(ROWS, int)
    rare[[3, 500, 700]] = 1
    # all three ones of one column are those of the other; ids tell everything, once
    ids = [f"u{i % 990}" for i in range(ROWS)]
    frame = {"r": rare, "s": rare, "a": A, "y": [str(i % 990 % 7) + "k" for i in range(ROWS)]}
    assert infer_schema(frame).names == ["r", "s", "a", "y"]
    frame = {"ids": ids, "y": frame["y"], "a": A}
    assert infer_schema(frame, {"ids": "categorical"}).names == ["ids", "y", "a"]
    # as many columns as rows
    wide = RNG.normal(size=(30, 40))
    assert len(infer_schema(wide).names) == 40


def test_rules_need_the_same_holes() -> None:
    holed = A.copy()
    holed[:50] = np.nan
    schema = derive(a=holed, b=2 * holed, c=2 * A)
    assert schema.names == ["a", "c"]
    assert schema.derived["b"].of == ("a",)


def test_contradictions_are_pointed_out_row_by_row() -> None:
    words = np.array(["x", "y"], dtype=object)[CODE % 2]
    frame = pd.DataFrame({"a": A, "b": B, "sum": A + B, "k": "k", "code": CODE % 2, "word": words})
    schema = infer_schema(frame)
    assert schema.names == ["a", "b", "code"]
    frame.loc[3, "sum"] += 1e-3
    frame.loc[5, "k"] = "other"
    frame.loc[7, "word"] = "x" if words[7] == "y" else "y"
    frame.loc[8, "sum"] = np.nan
    frame.loc[9, "a"] = np.nan
    assert np.flatnonzero(schema.contradictions(frame)).tolist() == [3, 5, 7]
    # without the column there is nothing to contradict
    assert not schema.contradictions(frame[["a", "b", "code"]]).any()


def test_single_precision_contradicts_nothing() -> None:
    frame = pd.DataFrame({"a": A, "b": A, "code": CODE % 3, "root": np.sqrt(CODE % 3), "c": B})
    schema = infer_schema(frame)
    assert sorted(schema.derived) == ["b", "root"]
    single = frame.astype({"b": np.float32, "root": np.float32})
    assert not schema.contradictions(single).any()
    assert schema.contradictions(frame.assign(root=frame.root + 1e-3)).all()


def test_unseen_levels_lead_nowhere() -> None:
    words = np.array(["x", "y", "z"], dtype=object)[CODE % 3]
    schema = infer_schema({"word": words, "n": CODE % 3 * 10.5, "a": A})
    assert list(schema.derived) == ["n"]
    decoded = schema.decode([[0.0, 1.0], [3.0, 1.0], [np.nan, 1.0]])
    assert decoded.n.isna().tolist() == [False, True, True]
