"""Can a classifier tell samples from data?"""

from __future__ import annotations

import numpy as np

from diffeo.report.page.checks.holes import with_holes_of
from diffeo.report.page.checks.two_sample import TwoSample, classifier_two_sample_test
from diffeo.report.page.html import Section, paragraphs, table
from diffeo.report.page.source import Source
from diffeo.report.page.thresholds import CLEAR_ACCURACY, STANDARD_ERRORS
from diffeo.report.page.words import count, listed, percent

__all__ = ["two_sample"]

# fewer rows than this of each say nothing
LEAST_ROWS = 50
# columns whose shuffling costs the classifier at least this much accuracy give samples away
TELLING = 0.01
MOST_TELLING = 8
# standard errors above chance from which the page warns
ALARM = 3.0
HOLES = (
    "The samples are complete, so they were given the holes of random rows of data: what is "
    "missing does not give them away."
)


def two_sample(source: Source) -> Section | None:
    """The classifier two-sample test, and the columns that give the samples away."""
    data, samples, coded = source.data, source.samples, source.coded
    if data is None or samples is None or not data.shape[1]:
        return None
    if min(len(data), len(samples)) < LEAST_ROWS:
        return None
    seed = source.content.seed
    alike = with_holes_of(data, samples, np.random.default_rng(seed))
    found = classifier_two_sample_test(data, alike, coded.discrete, seed=seed)
    telling = [j for j in np.argsort(-found.importance) if found.importance[j] >= TELLING]
    telling = telling[:MOST_TELLING]
    above = found.accuracy > 0.5 + STANDARD_ERRORS * found.error
    names = [source.named(j) for j in telling]
    verdict = _verdict(found, above, names)
    clear = found.accuracy > max(CLEAR_ACCURACY, 0.5 + ALARM * found.error)
    rows = [(source.tagged(j), percent(found.importance[j])) for j in telling]
    shuffled = (
        table("Columns that give the samples away", ("column", "accuracy it is worth"), rows)
        if above and rows
        else ""
    )
    body = (
        paragraphs(
            f"Gradient-boosted trees were trained to tell data from samples, and judged on rows "
            f"they had not seen ({count(found.rows)} of each, five-fold cross-validation). "
            f"50 % is chance: the samples cannot be told from data.",
            "" if alike is samples else HOLES,
        )
        + f'<p class="figure">{percent(found.accuracy)} ± {percent(found.error)}</p>'
        + paragraphs(verdict)
        + shuffled
    )
    warnings = (verdict,) if clear else ()
    return Section("two-sample", "Telling samples from data (C2ST)", body, warnings)


def _verdict(found: TwoSample, above: bool, names: list[str]) -> str:
    accuracy = percent(found.accuracy)
    if not above:
        return "The classifier is no better than chance."
    by = f", most of all by {listed(names, 3)}" if names else ", by how columns go together"
    ease = "easily" if found.accuracy > 0.75 else "often" if found.accuracy > CLEAR_ACCURACY else ""
    if not ease:
        return f"A classifier is slightly better than chance ({accuracy}){by}."
    return f"A classifier can {ease} tell samples from data ({accuracy} right){by}."
