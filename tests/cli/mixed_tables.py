"""A small table of mixed columns with holes, for the tests of the command."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd


def mixed(rows: int = 300) -> pd.DataFrame:
    """Whole numbers, labels with holes, positive numbers with holes, dates, a constant, a copy."""
    draw = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "name": [f"p{i:04d}" for i in range(rows)],
            "age": draw.integers(18, 90, rows),
            "city": draw.choice(["Bern", "Oslo, N", "Rome"], rows),
            "income": np.exp(draw.normal(8, 1, rows)),
            "height": np.round(draw.normal(170, 10, rows), 1),
            "member": draw.random(rows) < 0.3,
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(draw.integers(0, 99, rows), "D"),
        }
    )
    frame.loc[draw.random(rows) < 0.1, "city"] = None
    frame.loc[draw.random(rows) < 0.2, "income"] = np.nan
    return frame.assign(months=12 * frame.age, unit="cm")


def write_mixed(path: Path, frame: pd.DataFrame) -> Path:
    """The frame as CSV or Parquet."""
    if path.suffix == ".csv":
        frame.to_csv(path, index=False, date_format="%Y-%m-%d")
    else:
        frame.to_parquet(path, index=False)
    return path


def read(path: Path) -> pd.DataFrame:
    """What a command wrote."""
    return pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
