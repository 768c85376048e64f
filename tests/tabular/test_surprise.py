"""Strange rows of a TableFlow, and what a report asks of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import diffeo
from diffeo.errors import DataError
from diffeo.tabular import report_content, surprise
from diffeo.tabular.surprise import RELATIONS


def _table(rows: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows)
    frame = pd.DataFrame({"x": x, "y": x + 0.1 * rng.normal(size=rows)})
    frame["label"] = rng.choice(["a", "b"], rows)
    frame["length"] = rng.gamma(3, 2, rows)
    return frame.assign(unit="cm")


@pytest.fixture(scope="module")
def flow() -> diffeo.TableFlow:
    return diffeo.TableFlow(seed=0).fit(_table(1200, 0), epochs=30, progress=False)


def test_the_column_at_fault_is_named(flow: diffeo.TableFlow) -> None:
    odd = _table(3, 1)
    odd.loc[0, ["x", "y"]] = [1.0, -1.0]
    odd.loc[1, "length"] = 500.0
    odd.loc[2, "unit"] = "inch"
    found = surprise(flow, odd)
    assert found.contributions.loc[0].nlargest(2).index.sort_values().tolist() == ["x", "y"]
    assert found.contributions.loc[1].idxmax() == "length"
    assert found.contributions.loc[2].idxmax() == RELATIONS
    np.testing.assert_allclose(found.scores, found.contributions.sum(axis=1))


def test_p_values_of_ordinary_rows_are_about_uniform(flow: diffeo.TableFlow) -> None:
    p_values = surprise(flow, _table(2000, 2)).p_values
    assert p_values is not None
    # 120 rows held out: shares are known to about 0.05
    for level in (0.1, 0.5, 0.9):
        assert (p_values <= level).mean() == pytest.approx(level, abs=0.15)


def test_units_do_not_matter() -> None:
    scores = []
    for scale in (1.0, 1000.0):
        table = _table(400, 0)
        table["length"] *= scale
        fitted = diffeo.TableFlow(width=16, seed=0).fit(table, epochs=3, progress=False)
        scores.append(surprise(fitted, table.head(50)).scores)
    np.testing.assert_allclose(*scores, atol=1e-2)


def test_holes_add_nothing(flow: diffeo.TableFlow) -> None:
    holed = _table(5, 3)
    holed["length"] = np.nan
    assert (surprise(flow, holed).contributions["length"] == 0).all()


def test_without_held_out_rows_there_are_no_p_values() -> None:
    table = _table(60, 0)
    fitted = diffeo.TableFlow(width=8, seed=0).fit(table, validation=None, epochs=1, progress=False)
    found = surprise(fitted, table.head(3))
    assert found.p_values is None
    assert np.isfinite(found.scores).all()


def test_impossible_values_have_large_finite_scores(flow: diffeo.TableFlow) -> None:
    table = _table(2, 4)
    table.loc[0, "length"] = -1.0
    scores = surprise(flow, table).scores
    assert np.isfinite(scores).all()
    assert scores[0] > scores[1] + 20


def test_a_report_has_what_its_sections_need(flow: diffeo.TableFlow) -> None:
    held_out = _table(300, 5)
    held_out.loc[::3, "length"] = np.nan
    content = report_content(flow, held_out, training=_table(1200, 0), seed=1)
    content.check()
    assert set(content.log_prob) == {"this model", "Gaussian", "independent columns"}
    np.testing.assert_array_equal(content.log_prob["this model"], flow.log_prob(held_out))
    assert content.anomalies is not None
    assert (np.diff(content.anomalies.scores) <= 0).all()
    assert content.samples is not None
    assert list(content.samples.columns) == list(held_out.columns)
    assert any("'unit' is constant" in warning for warning in content.warnings)
    assert any(label == "gap between patterns of holes" for label, _ in content.summary)


def test_baselines_are_judged_on_rows_they_did_not_see(flow: diffeo.TableFlow) -> None:
    content = report_content(flow, _table(200, 6))
    assert content.training is None
    assert np.isfinite(content.log_prob["Gaussian"]).all()


def test_a_report_needs_rows_of_a_table() -> None:
    with pytest.raises(DataError, match="without context"):
        report_content(diffeo.NSF(2, context=1), np.zeros((5, 2)))
    fitted = diffeo.NSF(2).fit(_table(50, 0)[["x", "length"]], epochs=1, progress=False)
    with pytest.raises(DataError, match="no column 'length'"):
        report_content(fitted, _table(50, 0)[["x", "y"]])


def test_rows_without_weight_are_neither_trained_on_nor_held_out() -> None:
    table = _table(200, 0)
    weight = np.r_[np.zeros(80), np.ones(120)]
    both = [
        diffeo.TableFlow(width=8, seed=0).fit(rows, epochs=2, progress=False, **given)
        for rows, given in (
            (table, {"sample_weight": weight}),
            (table[80:], {"sample_weight": np.ones(120)}),
        )
    ]
    assert both[0].record["surprise"] == both[1].record["surprise"]
    assert both[0].record["history"] == both[1].record["history"]
