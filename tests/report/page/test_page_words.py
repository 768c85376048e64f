"""Numbers and names as a reader wants them."""

from __future__ import annotations

import math

import pytest

from diffeo.report.page.words import (
    brief,
    date,
    listed,
    number,
    p_value,
    percent,
    plural,
    short,
    signed,
)

NBSP = "\N{NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.0, "0"),
        (3.14159, "3.142"),
        (-2.5, f"{MINUS}2.5"),
        (12345.6, "12,346"),
        (0.00001234, f"1.234e{MINUS}5"),
        (1.5e12, "1.5e12"),
        (math.inf, "∞"),
        (-math.inf, f"{MINUS}∞"),
        (math.nan, "\N{EN DASH}"),
    ],
)
def test_numbers(value, said):
    assert number(value) == said


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (0.0, "0"),
        (1.0, "100"),
        (0.5, "50.0"),
        (0.0012, "0.12"),
        (0.9988, "99.88"),
        (1e-7, "< 0.01"),
        (math.nan, None),
    ],
)
def test_shares(share, said):
    assert percent(share) == ("\N{EN DASH}" if said is None else f"{said}{NBSP}%")


def test_small_words():
    assert signed(-0.1234) == f"{MINUS}0.123"
    assert p_value(0.0) == "< 0.0001"
    assert p_value(0.0321) == "0.032"
    assert plural(1, "row") == "1 row"
    assert plural(2000, "row") == "2,000 rows"
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed("abcdefgh", 3) == "a, b, c and 5 more"
    assert listed([]) == ""
    assert date(0.0) == "1970-01-01"
    assert date(-86_400 + 3600.0) == "1969-12-31 01:00"
    assert date(math.nan) == "\N{EN DASH}"
    assert short(" a\n b ") == "a b"
    assert short("   ") == "(empty)"


def test_long_names_stay_different():
    names = [f"measurement_of_sensor_{k:03d}_in_the_hall_of_turbines" for k in range(200)]
    shown = brief([*names, "x"])
    assert len(set(shown.values())) == 201
    assert max(map(len, shown.values())) <= 26
    assert "_007_" in shown[names[7]]
    assert shown["x"] == "x"


def test_names_that_look_alike_are_numbered():
    shown = brief(["a b", "a  b", " ", "\t"])
    assert len(set(shown.values())) == 4
