"""What the page says, in words, about models whose faults are known."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from diffeo.report.page import Anomalies, ReportColumn, ReportContent, render_report, write_report

COLUMNS = [ReportColumn("x"), ReportColumn("y"), ReportColumn("label", "categorical")]


def _rows(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    return pd.DataFrame(
        {"x": x, "y": x + rng.normal(size=n), "label": rng.choice(["a", "b", "c"], n)}
    )


GOOD = ReportContent(
    "A good model", COLUMNS, data=_rows(1500, 1), samples=_rows(1500, 2), training=_rows(3000, 3)
)


def _body(content: ReportContent) -> str:
    """The page without plotly and the page's own scripts."""
    return re.sub(r"<script(?! type).*?</script>", "", render_report(content), flags=re.DOTALL)


def _warnings(content: ReportContent) -> list[str]:
    box = re.search(r'<section class="warnings.*?</section>', _body(content), re.DOTALL)
    assert box is not None
    items = re.findall(r"<li>(.*?)</li>", box[0])
    return [re.sub(r"<[^>]+>.*", "", item).strip() for item in items]


def _sections(content: ReportContent) -> list[str]:
    return re.findall(r'<section id="([^"]+)"', _body(content))


def test_a_true_model_gets_no_warning():
    assert _warnings(GOOD) == []
    assert "None of the checks below found a fault" in _body(GOOD)


def test_absent_data_leave_their_sections_out():
    assert _sections(ReportContent("nothing")) == []
    assert _sections(replace(GOOD, samples=None)) == ["model", "data"]
    assert _sections(replace(GOOD, training=None)) == [
        *("model", "columns", "pairs", "calibration", "two-sample", "tails", "data")
    ]
    assert "privacy" in _sections(GOOD)
    assert _sections(
        ReportContent("pit", COLUMNS[:1], pit=np.random.default_rng(0).random((99, 1)))
    ) == (["model", "calibration"])


def test_a_shifted_column_is_named_everywhere():
    samples = GOOD.samples.assign(x=GOOD.samples["x"] + 1)
    said = _warnings(replace(GOOD, samples=samples))
    assert said[0].startswith("Samples differ clearly from the data in x (")
    assert any(words.startswith("The model&#x27;s values for x are too high: ") for words in said)
    assert any(re.match(r"A classifier can \w+ tell .* most of all by x", w) for w in said)
    assert any(words.startswith("Samples of x: lower tail too light; upper") for words in said)
    assert not any("label" in words for words in said)


def test_dependence_that_is_lost_is_told_by_the_classifier_alone():
    samples = GOOD.samples.assign(y=np.random.default_rng(5).permutation(GOOD.samples["y"]))
    (said,) = _warnings(replace(GOOD, samples=samples))
    assert said.startswith("A classifier can often tell samples from data")


def test_holes_alone_do_not_give_complete_samples_away():
    data, training = GOOD.data.copy(), GOOD.training.copy()
    for frame in (data, training):
        frame.loc[np.random.default_rng(0).random(len(frame)) < 0.4, ["y", "label"]] = None
    content = replace(GOOD, data=data, training=training)
    assert _warnings(content) == []
    assert "given the holes of random rows of data" in _body(content)
    assert "given the holes" not in _body(GOOD)


def test_narrow_and_wide_intervals_are_told_apart():
    from scipy.stats import norm

    z = np.random.default_rng(0).normal(size=(2000, 2))
    pit = np.stack([norm.cdf(z[:, 0] / 0.7), norm.cdf(z[:, 1] / 1.4)], axis=1)
    said = _warnings(ReportContent("pit", COLUMNS[:2], pit=pit))
    assert ["too narrow" in words for words in said] == [True, False] or (
        ["too wide" in words for words in said] == [True, False]
    )
    for words in said:
        assert ("for x are too narrow" in words) or ("for y are too wide" in words)


def test_copies_of_training_rows_are_a_privacy_warning():
    samples = GOOD.samples.copy()
    samples.iloc[:60] = GOOD.training.iloc[:60].to_numpy()
    said = _warnings(replace(GOOD, samples=samples))
    assert any("60 of 1,500 samples (4.0" in words for words in said)


def test_rows_of_the_fit_are_called_so_and_say_nothing_of_privacy():
    content = replace(GOOD, held_out=False)
    assert _warnings(content)[0].startswith("The model is judged on rows it was fitted to")
    assert "privacy" not in _sections(content)


def test_likelihoods_are_compared_in_pairs():
    rng = np.random.default_rng(0)
    hard = rng.normal(size=500) * 10
    # much noise, but the same in all: only pairs show the lead
    log_prob = {
        "mine": hard,
        "worse": hard - 0.1 + 0.2 * rng.normal(size=500),
        "equal": hard + 0.2 * rng.normal(size=500),
        "zero": np.where(np.arange(500) < 3, -np.inf, hard),
    }
    content = ReportContent("scores", COLUMNS, log_prob=log_prob)
    body = _body(content)
    assert "The model is better than “worse” by 0.1" in body
    assert "The model is better than “zero” by ∞" in body
    assert "3 rows have density zero under “zero”" in body
    assert _warnings(content) == [
        "The model is not clearly better than “equal”: the difference is within noise."
    ]
    bits = -hard.mean() / np.log(2) / 3
    assert f">{bits:.3f}<".replace("-", "\N{MINUS SIGN}") in body


def test_a_model_that_still_learns_is_told_to_go_on():
    history = [{"epoch": k, "train": 1 / k, "validation": 2 / k} for k in range(1, 9)]
    assert "still falling" in _warnings(ReportContent("curve", history=history))[0]
    stopped = [*history, {"epoch": 9, "train": 0.1, "validation": 3.0}]
    content = ReportContent("curve", history=stopped)
    assert _warnings(content) == []
    assert "in epoch 8 (dotted line)" in _body(content)


@pytest.mark.parametrize("validation", [None, float("nan")])
def test_curves_without_validation(validation):
    history = [{"epoch": 1, "train": 1.0, "validation": validation}]
    assert "no validation loss" in _body(ReportContent("curve", history=history))


def test_reasons_of_anomalies_come_in_order():
    rows = pd.DataFrame(
        {"x": [1.5, np.nan], "label": ["odd", None], "day": pd.to_datetime(["2020-01-02", None])},
        index=["first", "second"],
    )
    added = pd.DataFrame({"x": [0.7, 4.0], "label": [3.25, 2.0], "day": [0.1, 1.0]})
    found = Anomalies(rows, np.array([9.0, 8.0]), np.array([0.0, 0.25]), added)
    text = re.sub(r"<[^>]+>", " ", _body(ReportContent("odd", anomalies=found)))
    text = re.sub(r"\s+", " ", text)
    assert "first label = odd (+3.2), x = 1.5 (+0.7) < 0.0001 9" in text.replace("&lt;", "<")
    assert "second x = missing (+4.0), label = missing (+2.0), day = missing (+1.0)" in text


def test_lattices_atoms_levels_and_dates_are_drawn():
    rng = np.random.default_rng(0)
    frames = []
    for _ in range(2):
        frames.append(
            pd.DataFrame(
                {
                    "step": rng.normal(size=400).round(1),
                    "atom": np.where(rng.random(400) < 0.5, 0.0, rng.gamma(2, 1, 400)),
                    "few": rng.integers(0, 3, 400),
                    "day": np.datetime64("2020-01-01") + rng.integers(0, 99, 400),
                    "hole": np.nan,
                    "many": rng.choice([f"level {k}" for k in range(300)], 400),
                }
            )
        )
    columns = [
        ReportColumn("step", step=0.1),
        ReportColumn("atom", "positive", atoms=(0.0,)),
        ReportColumn("few", "integer", levels=(0, 1, 2)),
        ReportColumn("day", "datetime", step=86_400.0),
        ReportColumn("hole"),
        ReportColumn("many", "categorical"),
    ]
    body = _body(ReportContent("kinds", columns, data=frames[0], samples=frames[1]))
    assert "in steps of 1 day" in body
    assert re.search(r"2\d\d rarer labels are drawn as one", body)
    assert re.search(r"exactly 0: 4\d\.\d|exactly 0: 5\d\.\d", body)
    assert body.count('class="drawing"') >= 6 + 6


def test_the_page_is_one_file_with_plotly_once_and_escapes_everything(tmp_path):
    attack = "</script><script>alert(1)</script>"
    frames = [frame.rename(columns={"x": attack}) for frame in (GOOD.data, GOOD.samples)]
    columns = [ReportColumn(attack, attack), *COLUMNS[1:]]
    content = ReportContent(attack, columns, [(attack, attack)], data=frames[0], samples=frames[1])
    path = tmp_path / "page.html"
    write_report(content, path)
    page = path.read_text("utf-8")
    assert len(page) < 8_000_000
    assert page.count("plotly.js v") == 1
    assert "alert(1)</script>" not in page
    assert not re.search(r'(src|href)="(?!#)', page[: page.index("plotly.js v")])
    assert "default-src 'none'" in page


def test_a_page_that_cannot_be_written_leaves_what_was_there(tmp_path):
    path = tmp_path / "page.html"
    path.write_text("old")
    with pytest.raises(Exception, match="no column"):
        write_report(replace(GOOD, columns=[ReportColumn("absent")]), path)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["page.html"]
    with pytest.raises(OSError, match="does not exist"):
        write_report(ReportContent("x"), Path(tmp_path) / "no" / "page.html")


def test_the_same_seed_gives_the_same_page():
    assert render_report(GOOD) == render_report(GOOD)
