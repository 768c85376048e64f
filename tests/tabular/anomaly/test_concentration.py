"""The bulk of a table."""

from __future__ import annotations

import numpy as np
import pytest

from diffeo.tabular.anomaly.concentration import _shrunk_covariance, concentrated


def test_the_rows_of_a_far_cluster_are_left_out():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(size=(70, 4)), rng.normal(6, 0.1, size=(30, 4))])
    kept = concentrated(x, 0.7)
    assert kept.sum() == 70
    assert kept[:70].all()


def test_shape_counts_not_only_distance():
    rng = np.random.default_rng(1)
    line = rng.normal(size=(95, 1)) * [3.0, 3.0] + 0.1 * rng.normal(size=(95, 2))
    off = rng.normal(size=(5, 2)) * 0.3 + [[4.0, -4.0]]
    assert concentrated(np.concatenate([line, off]), 0.95)[:95].all()


def test_all_rows_are_kept_by_a_share_of_one_and_equal_rows_do_no_harm():
    assert concentrated(np.zeros((10, 2)), 1.0).all()
    assert concentrated(np.zeros((10, 2)), 0.5).sum() == 5
    assert concentrated(np.random.default_rng(0).normal(size=(10, 50)), 0.8).sum() == 8


def test_shrinkage_is_that_of_ledoit_and_wolf():
    covariance = pytest.importorskip("sklearn.covariance")
    x = np.random.default_rng(2).normal(size=(30, 8)) @ np.diag(np.arange(1.0, 9.0))
    centred = x - x.mean(axis=0)
    expected, _ = covariance.ledoit_wolf(centred, assume_centered=True)
    np.testing.assert_allclose(_shrunk_covariance(centred), expected, rtol=1e-6, atol=1e-8)
