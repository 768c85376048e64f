"""Holes are copied to complete samples only."""

from __future__ import annotations

import numpy as np

from diffeo.report.page.checks.holes import with_holes_of

RNG = np.random.default_rng


def test_whole_rows_of_holes_are_copied():
    data = np.array([[np.nan, np.nan, 1.0], [1.0, 2.0, 3.0]])
    samples = RNG(0).normal(size=(400, 3))
    given = with_holes_of(data, samples, RNG(1))
    holes = np.isnan(given)
    assert (holes[:, 0] == holes[:, 1]).all()
    assert not holes[:, 2].any()
    assert 0.4 < holes[:, 0].mean() < 0.6
    assert (given[~holes] == samples[~holes]).all()
    assert not np.isnan(samples).any()


def test_nothing_is_done_where_nothing_is_needed():
    complete, holed = np.ones((5, 1)), np.array([[np.nan], [1.0]])
    assert with_holes_of(complete, complete, RNG(0)) is complete
    assert with_holes_of(holed, holed, RNG(0)) is holed
