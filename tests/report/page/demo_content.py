"""Contents of pages for the tests: the power plant, a mixed table, a wide one, a hostile one."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd

from diffeo.report.page import Anomalies, ReportColumn, ReportContent, baseline_log_probs

ROOT = Path(__file__).resolve().parents[3]
PLANT = ("temperature", "vacuum", "pressure", "humidity", "power")


def history(epochs: int = 60) -> list[dict[str, float | None]]:
    rng = np.random.default_rng(0)
    curve = 4 + 3 * np.exp(-np.arange(epochs) / 8)
    return [
        {
            "epoch": k + 1,
            "train": float(value - 0.004 * k + 0.01 * rng.normal()),
            "validation": float(value + 0.00003 * (k - 35) ** 2 + 0.02 * rng.normal()),
        }
        for k, value in enumerate(curve)
    ]


def power_plant() -> ReportContent:
    """A Gaussian mixture of four stands for the model: good, but not true."""
    table = _plant_rows()
    train, test = table[: -len(table) // 5], table[-len(table) // 5 :]
    frames = [pd.DataFrame(part, columns=PLANT) for part in (train, test)]
    columns = [ReportColumn(name) for name in PLANT]
    samples, log_prob, per_column = _clusters(train, test)
    order = np.argsort(log_prob)[:12]
    return ReportContent(
        "Combined-cycle power plant",
        columns,
        summary=[
            ("model", "TableFlow: any-order autoregressive network, 3 layers of 128"),
            ("density", "exact, with respect to length"),
            ("parameters", "182,340"),
            ("rows to fit", f"{len(train):,} (10 % of them for validation)"),
        ],
        made=[
            ("diffeo", "0.6.0"),
            ("seed", "0"),
            ("command", "diffeo report plant.safetensors plant.csv -o report.html"),
        ],
        history=history(),
        log_prob={"this model": log_prob, **baseline_log_probs(*frames, columns)},
        data=frames[1],
        samples=pd.DataFrame(samples, columns=PLANT),
        training=frames[0],
        anomalies=Anomalies(
            frames[1].iloc[order],
            -log_prob[order],
            (np.arange(12) + 1) / len(test),
            pd.DataFrame(per_column[order], columns=PLANT),
        ),
    )


def _plant_rows() -> np.ndarray:
    shared = Path(os.environ.get("DIFFEO_DATA", ROOT.parent / "shared" / "data"))
    path = shared / "uci_regression" / "power-plant.npz"
    if path.exists():
        with np.load(path) as file:
            table = np.concatenate([file["x"], file["y"].reshape(-1, 1)], axis=1)
        return np.random.default_rng(0).permutation(table)
    return np.loadtxt(ROOT / "examples" / "power_plant.csv", delimiter=",", skiprows=1)


def _clusters(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draws and densities of a Gaussian in each quarter of the first column."""
    rng = np.random.default_rng(1)
    quarter = np.digitize(train[:, 0], np.quantile(train[:, 0], [0.25, 0.5, 0.75]))
    parts = [train[quarter == k] for k in range(4)]
    moments = [(part.mean(axis=0), np.cov(part.T)) for part in parts]
    drawn = np.concatenate([rng.multivariate_normal(*m, 700) for m in moments])
    densities = []
    for mean, covariance in moments:
        z = np.linalg.solve(np.linalg.cholesky(covariance), (test - mean).T)
        constant = np.linalg.slogdet(2 * np.pi * covariance)[1] / 2
        densities.append(-constant - (z**2).sum(axis=0) / 2)
    deviation = (test - train.mean(axis=0)) / train.std(axis=0)
    return (
        rng.permutation(drawn),
        np.logaddexp.reduce(densities, axis=0) - np.log(4),
        deviation**2 / 2,
    )


def mixed(rows: int = 2000, faults: bool = True) -> ReportContent:
    """Every kind of column, with holes; the samples have some faults where asked."""
    rng = np.random.default_rng(2)
    frames = [_mixed_rows(n, rng) for n in (2 * rows, rows, rows)]
    training, data, samples = frames
    if faults:
        samples = samples.assign(income=samples["income"].clip(upper=90_000))
        samples.iloc[:40] = training.iloc[:40]
    levels = tuple(sorted(set(data["city"].dropna())))
    columns = [
        ReportColumn("age", "positive"),
        ReportColumn("income", "positive"),
        ReportColumn("rain", "positive", atoms=(0.0,)),
        ReportColumn("children", "integer", levels=(0, 1, 2, 3, 4, 5)),
        ReportColumn("score", "integer", step=1.0),
        ReportColumn("city", "categorical", levels=levels),
        ReportColumn("member", "boolean", levels=(False, True)),
        ReportColumn("joined", "datetime", step=86_400.0),
    ]
    contributions = pd.DataFrame(rng.exponential(1.5, (10, 8)), columns=[c.name for c in columns])
    return ReportContent(
        "Customers",
        columns,
        summary=[("model", "TableFlow"), ("holes", "masked: scored on what a row shows")],
        made=[("seed", "0")],
        warnings=["The column 'constant' is 3 in every row: it is left out of the density."],
        history=history(30),
        log_prob={
            "this model": rng.normal(-18, 3, rows),
            **baseline_log_probs(training, data, columns),
        },
        data=data,
        samples=samples,
        training=training,
        pit=np.where(data.isna(), np.nan, rng.uniform(size=(rows, 8))),
        anomalies=Anomalies(data.iloc[:10], rng.exponential(20, 10), None, contributions),
    )


def _mixed_rows(n: int, rng: np.random.Generator) -> pd.DataFrame:
    age = rng.gamma(9, 5, n)
    city = rng.choice([f"Town {k}" for k in range(30)], n, p=np.arange(1, 31) / 465)
    days = rng.integers(0, 2000, n)
    frame = pd.DataFrame(
        {
            "age": np.where(rng.uniform(size=n) < 0.1, np.nan, age),
            "income": np.exp(9.5 + 0.02 * age + 0.8 * rng.normal(size=n)),
            "rain": np.where(rng.uniform(size=n) < 0.6, 0.0, rng.gamma(2, 3, n)),
            "children": pd.array(rng.poisson(1.2, n).clip(max=5), dtype="Int64"),
            "score": np.round(rng.normal(60 + age / 4, 12)),
            "city": city,
            "member": rng.uniform(size=n) < age / 80,
            "joined": np.datetime64("2018-01-01") + days.astype("timedelta64[D]"),
        }
    )
    frame.loc[rng.uniform(size=n) < 0.05, "city"] = None
    frame.loc[rng.uniform(size=n) < 0.03, "joined"] = pd.NaT
    return frame


def wide(columns: int = 60, rows: int = 1500) -> ReportContent:
    """Many columns with long names; ten of them are wrong."""
    rng = np.random.default_rng(3)
    names = [
        f"a_measurement_with_a_very_long_name_of_sensor_{k:02d}_in_hall_7" for k in range(columns)
    ]
    mix = rng.normal(size=(columns, columns)) / np.sqrt(columns)
    data, samples, training = (rng.normal(size=(rows, columns)) @ mix for _ in range(3))
    samples[:, :10] *= 2
    frames = [pd.DataFrame(x, columns=names) for x in (data, samples, training)]
    described = [ReportColumn(name) for name in names]
    return ReportContent(
        "A wide table",
        described,
        data=frames[0],
        samples=frames[1],
        training=frames[2],
        log_prob=baseline_log_probs(frames[2], frames[0], described),
    )


ATTACKS = (
    "<script>window.hacked = 1</script>",
    '"><img src=x onerror="window.hacked = 2">',
    "</script><script>window.hacked = 3</script>",
    "<b>bold</b> & <a href='javascript:window.hacked=4'>link</a>",
    "$\\alpha$ %{x} {{y}}",
    "   ",
)


def hostile(rows: int = 300) -> ReportContent:
    """Names, labels and words that try to be HTML."""
    rng = np.random.default_rng(4)
    frames = []
    for _ in range(3):
        numbers = {name: rng.normal(size=rows) for name in ATTACKS[:3]}
        labels = {name: rng.choice(ATTACKS, rows) for name in ATTACKS[3:]}
        frames.append(pd.DataFrame(numbers | labels))
    columns = [
        ReportColumn(name, ATTACKS[0] if k < 3 else "categorical") for k, name in enumerate(ATTACKS)
    ]
    data = frames[0].set_index(pd.Index(rng.choice(ATTACKS, rows)))
    return ReportContent(
        ATTACKS[2],
        columns,
        summary=[(ATTACKS[0], ATTACKS[1])],
        made=[(ATTACKS[0], ATTACKS[2])],
        warnings=list(ATTACKS),
        history=history(3),
        log_prob={ATTACKS[0]: rng.normal(size=rows), ATTACKS[2]: rng.normal(size=rows)},
        data=data,
        samples=frames[1],
        training=frames[2],
        anomalies=Anomalies(
            data.iloc[:5],
            np.arange(5.0),
            None,
            pd.DataFrame(rng.exponential(3, (5, 6)), columns=ATTACKS),
        ),
    )
