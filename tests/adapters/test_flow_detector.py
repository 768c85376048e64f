"""The detector among those of PyOD."""

from __future__ import annotations

import sys
import warnings

import numpy as np
import pytest

pytest.importorskip("pyod.models.base")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # PyOD's own, at import
    from pyod.models.lscp import LSCP
    from pyod.utils.utility import standardizer

from sklearn.base import clone
from sklearn.metrics import roc_auc_score

from diffeo.adapters.pyod import FlowDetector

RNG = np.random.default_rng(0)
NORMAL = RNG.normal(size=(180, 1)) + 0.2 * RNG.normal(size=(180, 3))
STRANGE = RNG.normal(size=(20, 3)) * 2
X, Y = np.concatenate([NORMAL, STRANGE]), np.repeat([0, 1], [180, 20])


@pytest.fixture(scope="module")
def detector() -> FlowDetector:
    return FlowDetector(contamination=0.1, steps=150, random_state=0).fit(X)


def test_what_fit_leaves_is_what_pyod_expects(detector):
    assert detector.decision_scores_.shape == (200,)
    assert detector.threshold_ == np.percentile(detector.decision_scores_, 90)
    assert np.array_equal(detector.labels_, detector.decision_scores_ > detector.threshold_)
    assert detector.labels_.sum() == 20
    assert roc_auc_score(Y, detector.decision_scores_) > 0.85


def test_anomalies_score_high_and_are_predicted_as_one(detector):
    new = np.array([[1.0, 1.0, 1.0], [4.0, -4.0, 4.0]])
    scores = detector.decision_function(new)
    assert scores[1] > detector.threshold_ > scores[0]
    assert detector.predict(new).tolist() == [0, 1]
    for method in ("linear", "unify"):
        low, high = detector.predict_proba(new, method=method)[:, 1]
        assert 0 <= low < high <= 1
    label, confidence = detector.predict(new, return_confidence=True)
    assert label.tolist() == [0, 1]
    assert confidence.min() > 0.5
    assert detector.predict_confidence(new).shape == (2,)


def test_reasons_and_p_values_belong_to_the_scores(detector):
    new = [[1.0, 1.0, -2.0], [0.0, 0.0, 0.0]]
    np.testing.assert_allclose(detector.explain(new).sum(axis=1), detector.decision_function(new))
    assert detector.explain(new)[0].argmax() == 2
    assert detector.p_value(new)[0] < 0.15 < detector.p_value(new)[1]


def test_a_clone_has_the_parameters_and_not_the_fit(detector):
    again = clone(detector)
    assert again.get_params() == detector.get_params()
    assert not hasattr(again, "decision_scores_")
    assert np.array_equal(again.fit(X).decision_scores_, detector.decision_scores_)


def test_scores_of_several_combine_by_the_functions_of_pyod(detector):
    pytest.importorskip("combo")  # pyod.models.combination is made of it
    from pyod.models.combination import average, maximization, moa

    other = FlowDetector(steps=50, random_state=1).fit(X)
    train = np.column_stack([d.decision_scores_ for d in (detector, other)])
    test = np.column_stack([d.decision_function(X) for d in (detector, other)])
    _, scaled = standardizer(train, test)
    for together in (average(scaled), maximization(scaled), moa(scaled, n_buckets=2)):
        assert roc_auc_score(Y, together) > 0.85


def test_it_works_inside_a_detector_of_detectors():
    members = [FlowDetector(steps=30, random_state=s) for s in range(2)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # LSCP's own, on few detectors
        together = LSCP(members, local_region_size=20, random_state=0).fit(X)
    assert roc_auc_score(Y, together.decision_scores_) > 0.8


def test_random_states_of_numpy_are_taken():
    first, second = (
        FlowDetector(steps=20, random_state=np.random.RandomState(3)).fit(X) for _ in range(2)
    )
    assert np.array_equal(first.decision_scores_, second.decision_scores_)


@pytest.mark.parametrize(
    ("parameters", "data"),
    [
        ({"contamination": 0.7}, X),
        ({"trim": 0.9}, X),
        ({}, np.full((20, 2), np.nan)),
        ({}, X[0]),
        ({}, X[:5]),
    ],
)
def test_what_cannot_be_fitted_is_a_value_error(parameters, data):
    with pytest.raises(ValueError, match=r"."):
        FlowDetector(**parameters).fit(data)


def test_without_pyod_the_extra_is_named(monkeypatch):
    monkeypatch.delitem(sys.modules, "diffeo.adapters.pyod")
    monkeypatch.setitem(sys.modules, "pyod.models.base", None)
    with pytest.raises(ImportError, match=r"diffeo\[pyod\]"):
        __import__("diffeo.adapters.pyod")
