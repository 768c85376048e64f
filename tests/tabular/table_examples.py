"""A table of every kind of column, with holes, and a small flow fitted to it."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pandas as pd

from diffeo import TableFlow

QUICK: dict[str, Any] = {"epochs": 2, "progress": False}
SIZES: dict[str, Any] = {"width": 16, "blocks": 1, "orders": 2, "components": 3, "seed": 0}
SCHEMA = {"hour": ("circular", 0, 24)}
CITIES = ("Bern", "Rome", "Oslo")
# what is known from other columns
DERIVED = ("twice", "constant", "code")


def mixed_table(rows: int = 300, seed: int = 0) -> pd.DataFrame:
    """Real, positive with zeros, bounded, circular, counted, dated, ... columns."""
    rng = np.random.default_rng(seed)
    city = rng.choice(CITIES, rows, p=[0.5, 0.3, 0.2])
    mean = pd.Series(city).map({"Bern": -2.0, "Rome": 0.0, "Oslo": 3.0}).to_numpy()
    days = pd.to_timedelta(rng.integers(0, 900, rows), unit="D")
    frame = pd.DataFrame(
        {
            "city": city,
            "height": mean + 0.3 * rng.normal(size=rows),
            "age": rng.poisson(40, rows),
            "income": np.where(rng.random(rows) < 0.2, 0, np.exp(rng.normal(size=rows) + 5)),
            "share": rng.beta(2, 2, rows),
            "hour": rng.integers(0, 24, rows),
            "member": pd.array(rng.random(rows) < 0.4, dtype="boolean"),
            "day": pd.Timestamp("2021-01-01") + days,
            "price": np.round(np.exp(rng.normal(size=rows) + 2), 2),
            "grade": pd.Categorical(rng.choice(["low", "mid", "top"], rows), ordered=True),
        }
    )
    frame["twice"], frame["constant"] = 2 * frame["age"] + 1, 7
    frame["code"] = frame["city"].map({"Bern": 1, "Rome": 2, "Oslo": 3})
    for name in frame.columns.drop(["city", "age", *DERIVED]):
        frame.loc[rng.random(rows) < 0.08, name] = None
    return frame


def small_flow(**options: Any) -> TableFlow:
    return TableFlow(SCHEMA, **{**SIZES, **options})


@functools.cache
def fitted() -> TableFlow:
    """A flow fitted to ``mixed_table()``; tests leave it as it is."""
    return small_flow().fit(mixed_table(), **QUICK)
