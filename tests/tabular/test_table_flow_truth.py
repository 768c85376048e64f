"""What a short fit learns, where the truth is known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from diffeo import TableFlow

ROWS = 1200
SHORT: dict[str, Any] = {"epochs": 30, "progress": False, "lr": 1e-2}


def _flow(**options: Any) -> TableFlow:
    return TableFlow(**{"width": 128, "orders": 2, "seed": 0, **options})


def _fitted(table: pd.DataFrame) -> TableFlow:
    return _flow().fit(table, **SHORT)


def _score(flow: TableFlow, table: pd.DataFrame, log_density: Any) -> tuple[float, float]:
    """Mean of log p - log truth on rows of the truth, and its standard error."""
    gap = flow.log_prob(table) - log_density
    return float(gap.mean()), float(gap.std()) / math.sqrt(len(table))


def _independent(rows: int, seed: int) -> tuple[pd.DataFrame, Any]:
    """A normal, an exponential, a Poisson, a categorical and a boolean column; log-densities."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(3, 2, rows), rng.exponential(5.0, rows)
    count = rng.poisson(30, rows)
    shares = np.array([0.6, 0.3, 0.1])
    word, flag = rng.choice(3, rows, p=shares), rng.random(rows) < 0.2
    truth = -((x - 3) ** 2) / 8 - math.log(2) - 0.5 * math.log(2 * math.pi)
    truth = truth - y / 5 - math.log(5)
    truth = truth + count * math.log(30) - 30 - np.array([math.lgamma(k + 1) for k in count])
    truth = truth + np.log(shares[word]) + np.where(flag, math.log(0.2), math.log(0.8))
    columns = {"x": x, "y": y, "count": count, "word": np.array(["a", "b", "c"])[word]}
    return pd.DataFrame({**columns, "flag": flag}), truth


@pytest.mark.slow
def test_independent_columns_reach_their_entropies() -> None:
    flow = _fitted(_independent(ROWS, 0)[0])
    assert {c.name: c.kind for c in flow.schema.columns}["y"] == "positive"
    gap, error = _score(flow, *_independent(4000, 1))
    # what 1500 rows cannot tell: about a parameter's half a nat in a thousand, for dozens of them
    assert -0.12 < gap < 3 * error


def _pair(rows: int, seed: int) -> tuple[pd.DataFrame, Any]:
    """A category that decides the mean of a number, which decides a second category."""
    rng = np.random.default_rng(seed)
    word = rng.choice(3, rows)
    x = np.array([-4.0, 0.0, 4.0])[word] + rng.normal(size=rows)
    chance = 1 / (1 + np.exp(-2 * x))
    flag = rng.random(rows) < chance
    truth = -math.log(3) - (x - np.array([-4.0, 0.0, 4.0])[word]) ** 2 / 2
    truth = truth - 0.5 * math.log(2 * math.pi) + np.log(np.where(flag, chance, 1 - chance))
    return pd.DataFrame({"word": np.array(["a", "b", "c"])[word], "x": x, "flag": flag}), truth


@pytest.fixture(scope="module")
def pair() -> TableFlow:
    return _fitted(_pair(ROWS, 0)[0])


def test_columns_that_depend_on_each_other_are_learnt(pair: TableFlow) -> None:
    gap, error = _score(pair, *_pair(4000, 1))
    # independent columns would lose 1.4 nats
    assert -0.1 < gap < 3 * error


def test_conditions_move_what_depends_on_them(pair: TableFlow) -> None:
    for word, mean in (("a", -4.0), ("b", 0.0), ("c", 4.0)):
        drawn = pair.sample(800, given={"word": word}, seed=0)
        assert drawn["x"].mean() == pytest.approx(mean, abs=0.25)
        assert drawn["x"].std() == pytest.approx(1, abs=0.25)
    high = pair.sample(800, given={"x": 4.0, "flag": True}, seed=0)
    assert (high["word"] == "c").mean() > 0.95
    # at 2 the words "b" and "c" are equally likely
    middle = pair.sample(2000, given={"x": 2.0}, seed=0)["word"]
    assert (middle == "c").mean() == pytest.approx(0.5, abs=0.12)


@pytest.mark.slow
def test_patterns_of_holes_agree() -> None:
    """log_prob of a pattern is near the marginal of the model of complete rows."""
    flow = _flow(orders=4).fit(_pair(ROWS, 0)[0], progress=False)
    table = _pair(300, 2)[0]
    holes = table.assign(word=None)
    gap = flow.log_marginal(holes, num_samples=50, seed=0) - flow.log_prob(holes)
    assert np.abs(gap).mean() < 0.15
    # and near the truth: a mixture of three normals, and a chance
    x, flag = table["x"].to_numpy(), table["flag"].to_numpy()
    each = np.exp(-((x[:, None] - np.array([-4.0, 0.0, 4.0])) ** 2) / 2).mean(1)
    chance = 1 / (1 + np.exp(-2 * x))
    truth = np.log(each / math.sqrt(2 * math.pi)) + np.log(np.where(flag, chance, 1 - chance))
    assert np.mean(flow.log_prob(holes) - truth) == pytest.approx(0, abs=0.12)


def test_reasons_name_the_column_at_fault(pair: TableFlow) -> None:
    """A word that does not fit its number surprises, and so does the number; the flag does not."""
    row = pd.DataFrame({"word": ["a", "c"], "x": [4.0, 4.0], "flag": [True, True]})
    wrong, right = pair.explain(row).to_numpy()
    assert (wrong[:2] > 4).all()
    assert (right < 2.5).all()
    assert wrong[2] < 0.5


def test_holes_at_random_do_not_bias() -> None:
    """Holes that depend on what is observed, which rows without holes alone would misjudge."""
    table, _ = _pair(ROWS, 3)
    rng = np.random.default_rng(4)
    gone = (table["word"] == "c") & (rng.random(len(table)) < 0.8)
    holed = table.assign(x=table["x"].where(~gone))
    assert holed["x"].mean() < -1
    flow = _fitted(holed)
    drawn = flow.sample(3000, seed=0)
    assert drawn["x"].mean() == pytest.approx(table["x"].mean(), abs=0.5)
    (filled,) = flow.impute(holed, seed=0)
    assert filled["x"].mean() == pytest.approx(table["x"].mean(), abs=0.15)
    error = filled["x"][gone] - table["x"][gone]
    # two draws of variance 1: the truth and the imputation
    assert error.mean() == pytest.approx(0, abs=0.4)
    assert error.std() == pytest.approx(math.sqrt(2), abs=0.4)


def test_a_number_tells_an_unseen_word_nothing_false(pair: TableFlow) -> None:
    """Given a word never seen, a number has its marginal distribution."""
    table = pd.DataFrame({"word": ["new", None], "x": [1.5, 1.5], "flag": [True, True]})
    unseen, hole = pair.explain(table)["x"]
    assert unseen == pytest.approx(hole, abs=1e-6)


@pytest.mark.slow
def test_rounded_values_keep_masses_below_one() -> None:
    """A density of a rounded column would grow without bound; masses stay masses."""
    rng = np.random.default_rng(5)
    table = pd.DataFrame({"t": np.round(rng.normal(20, 3, ROWS), 1), "u": rng.normal(size=ROWS)})
    flow = _fitted(table)
    grid = pd.DataFrame({"t": np.round(np.arange(-100, 140, 0.1), 1), "u": None})
    mass = np.exp(flow.log_prob(grid))
    assert mass.sum() == pytest.approx(1, abs=1e-4)
    assert mass.max() < 0.02
    entropy = math.log(3 * math.sqrt(2 * math.pi * math.e) / 0.1)
    fresh = pd.DataFrame({"t": np.round(rng.normal(20, 3, 4000), 1), "u": None})
    assert -flow.log_prob(fresh).mean() == pytest.approx(entropy, abs=0.05)


def test_angles_go_round() -> None:
    """Around midnight, hours on both sides belong together."""
    rng = np.random.default_rng(6)
    night = rng.random(ROWS) < 0.5
    hour = (np.where(night, 0.0, 12.0) + rng.normal(size=ROWS)) % 24
    table = pd.DataFrame({"hour": hour, "night": np.where(night, "yes", "no")})
    flow = _flow(schema={"hour": ("circular", 0, 24)}).fit(table, **SHORT)
    drawn = flow.sample(1500, given={"night": "yes"}, seed=0)["hour"]
    assert drawn.between(0, 24).all()
    assert ((drawn < 4) | (drawn > 20)).mean() > 0.97
    assert ((drawn > 20).mean(), (drawn < 4).mean()) == pytest.approx((0.5, 0.5), abs=0.08)
    entropy = 0.5 * math.log(2 * math.pi * math.e) + math.log(2)
    assert -flow.log_prob(table).mean() == pytest.approx(entropy, abs=0.1)
