"""The classifier two-sample test on tables that are alike, and on tables that are not."""

from __future__ import annotations

import numpy as np
import pytest

from diffeo.report.page.checks.two_sample import classifier_two_sample_test

RNG = np.random.default_rng
NUMBERS = np.zeros(3, dtype=bool)


def test_tables_of_one_law_cannot_be_told_apart():
    first, second = (RNG(seed).normal(size=(1500, 3)) for seed in (1, 2))
    found = classifier_two_sample_test(first, second, NUMBERS, seed=0)
    assert found.rows == 1500
    assert found.error == pytest.approx(np.sqrt(0.25 / 3000), rel=0.01)
    assert abs(found.accuracy - 0.5) < 3 * found.error


def test_the_column_that_differs_is_found():
    first, second = (RNG(seed).normal(size=(1000, 3)) for seed in (1, 2))
    second[:, 1] += 2.0
    found = classifier_two_sample_test(first, second, NUMBERS, seed=0)
    # the best that anyone can do on unit normals two apart
    assert found.accuracy == pytest.approx(0.841, abs=0.03)
    assert found.importance.argmax() == 1
    assert found.importance[1] > 0.2 > 5 * max(abs(found.importance[0]), abs(found.importance[2]))


def test_dependence_alone_is_seen():
    rng = RNG(0)
    first = rng.normal(size=(2000, 2)) @ np.linalg.cholesky([[1, 0.95], [0.95, 1]]).T
    found = classifier_two_sample_test(first, rng.normal(size=(2000, 2)), NUMBERS[:2], seed=0)
    assert found.accuracy > 0.75
    assert (found.importance > 0.1).all()


def test_labels_and_holes():
    rng = RNG(0)
    first = np.stack([rng.integers(0, 400, 600), rng.normal(size=600)], axis=1).astype(float)
    second = first.copy()
    second[::2, 1] = np.nan
    found = classifier_two_sample_test(first, second, np.array([True, False]), seed=0)
    assert found.accuracy > 0.7
    assert found.importance.argmax() == 1


def test_columns_of_nothing_but_holes_are_taken():
    first = np.stack([np.full(100, np.nan), np.full(100, np.nan), np.arange(100.0)], axis=1)
    second = first.copy()
    second[0, 0] = 1.0
    found = classifier_two_sample_test(first, second, np.array([False, True, False]), seed=0)
    assert found.accuracy < 0.6


def test_many_rows_are_thinned_and_the_seed_decides():
    first, second = (RNG(seed).normal(size=(900, 1)) for seed in (1, 2))
    runs = [
        classifier_two_sample_test(first, second, NUMBERS[:1], seed=seed, most=200)
        for seed in (0, 0, 1)
    ]
    assert runs[0].rows == 200
    assert runs[0].accuracy == runs[1].accuracy
    assert (runs[0].importance == runs[1].importance).all()
    assert runs[0].importance.tolist() != runs[2].importance.tolist()
