"""Copies, near copies and innocent samples."""

from __future__ import annotations

import numpy as np
import pytest

from diffeo.report.page.checks.closest_record import closest_record

NUMBERS = np.zeros(3, dtype=bool)


def _tables(*sizes: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=(size, 3)) * [1, 10, 0.01] for size in sizes]


def test_fresh_samples_are_no_nearer_than_held_out_rows():
    found = closest_record(*_tables(3000, 1500, 1500), NUMBERS, seed=0)
    assert found.nearer == pytest.approx(0.05, abs=0.025)
    assert found.sample_copies == found.held_out_copies == 0
    assert np.median(found.samples) == pytest.approx(np.median(found.held_out), rel=0.1)


def test_exact_copies_are_counted():
    training, samples, held_out = _tables(3000, 1000, 1000)
    samples[:70] = training[100:170]
    held_out[:2] = training[:2]
    found = closest_record(training, samples, held_out, NUMBERS, seed=0)
    assert (found.sample_copies, found.held_out_copies) == (70, 2)
    assert (found.sample_rows, found.held_out_rows) == (1000, 1000)


def test_near_copies_are_near():
    training, samples, held_out = _tables(3000, 1000, 1000)
    samples[:500] = training[:500] * (1 + 1e-6)
    found = closest_record(training, samples, held_out, NUMBERS, seed=0)
    assert found.sample_copies == 0
    assert found.nearer == pytest.approx(0.5 + 0.5 * 0.05, abs=0.03)


def test_scales_of_columns_do_not_count():
    tables = _tables(500, 200, 200)
    stretched = [table * [1e-6, 1.0, 1e9] + [0, 5, 1e9] for table in tables]
    found = [closest_record(*each, NUMBERS, seed=0).samples for each in (tables, stretched)]
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5)


def test_labels_are_one_apart_and_holes_equal_holes():
    training = np.array([[0.0, 1.0], [np.nan, 1.0]])
    discrete = np.array([True, True])
    rows = np.array([[0.0, 1.0], [2.0, 1.0], [np.nan, 1.0], [2.0, 0.0]])
    found = closest_record(training, rows, rows, discrete, seed=0)
    np.testing.assert_allclose(found.samples, [0, 1, 0, np.sqrt(2)], atol=1e-9)
    assert found.sample_copies == 2
    numbers = closest_record(training, rows, rows, ~discrete, seed=0)
    assert numbers.sample_copies == 2
    assert numbers.samples[2] == pytest.approx(0)


def test_zero_has_no_sign():
    training, samples = np.array([[0.0], [1.0]]), np.array([[-0.0]])
    assert closest_record(training, samples, samples, NUMBERS[:1], seed=0).sample_copies == 1
