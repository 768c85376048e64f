"""Tables drawn at random, of any kinds, scales and holes: every number asked for is finite."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from table_examples import SIZES

from diffeo import TableFlow
from diffeo.errors import DataWarning


def _column(rng: np.random.Generator, rows: int) -> pd.Series:
    z = rng.normal(size=rows)
    scale, centre = 10.0 ** rng.uniform(-6, 6), 10.0 ** rng.uniform(-3, 6)
    choices = [
        scale * z + centre,
        np.exp(2 * z),
        1 / (1 + np.exp(-3 * z)),
        np.round(z, 1),
        np.round(np.exp(2 * z)),
        rng.integers(0, 5, rows),
        rng.integers(-(10**6), 10**6, rows),
        rng.choice(["a", "b", "c", "d"], rows, p=[0.7, 0.2, 0.09, 0.01]),
        rng.random(rows) < 0.3,
        pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 10**8, rows), unit="s"),
        pd.to_timedelta(rng.integers(0, 3600, rows), unit="s"),
        np.where(z > 0, z, 0),
        rng.standard_t(1, rows),
    ]
    column = pd.Series(choices[rng.integers(len(choices))])
    holed = rng.random() < 0.5 and column.dtype != bool
    return column.where(rng.random(rows) > 0.9 * rng.random()) if holed else column


@pytest.mark.parametrize(
    "seed", [pytest.param(s, marks=[pytest.mark.slow] * (s > 7)) for s in range(60)]
)
def test_any_table(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, columns = int(rng.integers(40, 200)), int(rng.integers(1, 7))
    table = pd.DataFrame({f"c{i}": _column(rng, rows) for i in range(columns)})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        flow = TableFlow(**SIZES).fit(table, epochs=1, progress=False)
    assert np.isfinite(flow.log_prob(table)).all()
    assert np.isfinite(flow.explain(table)).all(axis=None)
    assert np.isfinite(flow.log_marginal(table, num_samples=2, seed=0)).all()
    drawn = flow.sample(200, seed=0)
    assert np.isfinite(flow.log_prob(drawn)).all()
    (filled,) = flow.impute(table, seed=0)
    assert not filled[flow.schema.names].isna().any(axis=None)
    assert np.isfinite(flow.log_prob(filled)).all()
    name = flow.schema.names[0]
    given = flow.sample(3, given={name: drawn[name].iloc[0]}, seed=0)
    assert np.isfinite(flow.log_prob(given)).all()
