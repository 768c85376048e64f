"""FlowRegressor against known conditional densities, and as scikit-learn uses estimators."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest

from diffeo.errors import DataError

pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.datasets import make_regression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from diffeo.adapters.sklearn import FlowRegressor

SMALL = {"members": 2, "hidden": (32,), "steps": 60, "random_state": 0}

# checks of scikit-learn that do not apply, and why
WITHOUT_Y = "calls score_samples(X), but the density of y given X needs y"
NOT_APPLICABLE = {
    "check_methods_sample_order_invariance": WITHOUT_Y,
    "check_methods_subset_invariance": WITHOUT_Y,
    "check_sample_weight_equivalence_on_dense_data": (
        "folds and batches are drawn over rows, so a row of weight 2 is not two rows"
    ),
}


def _noisy(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """y = sin 2x + (0.2 + 0.3 |x|) e, e standard normal."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-2, 2, (rows, 1))
    return x, _location(x) + _scale(x) * rng.normal(size=rows)


def _location(x: np.ndarray) -> np.ndarray:
    return np.sin(2 * x[:, 0])


def _scale(x: np.ndarray) -> np.ndarray:
    return 0.2 + 0.3 * np.abs(x[:, 0])


@pytest.fixture(scope="module")
def fitted() -> FlowRegressor:
    return FlowRegressor(members=4, steps=600, random_state=0).fit(*_noisy(2000, 0))


def test_the_density_is_near_the_truth(fitted):
    x, y = _noisy(5000, 1)
    z = (y - _location(x)) / _scale(x)
    truth = np.mean(-(z**2) / 2 - np.log(_scale(x)) - math.log(2 * math.pi) / 2)
    assert truth - 0.06 <= fitted.score(x, y) <= truth + 0.02
    assert fitted.held_out_score_ == pytest.approx(truth, abs=0.1)
    assert np.sqrt(np.mean((fitted.predict(x) - _location(x)) ** 2)) < 0.1


def test_scores_are_in_the_units_of_y(fitted):
    x, y = _noisy(2000, 0)
    other = FlowRegressor(members=4, steps=600, random_state=0).fit(x, 1000 * y + 7)
    shift = other.score(x, 1000 * y + 7) - fitted.score(x, y)
    assert shift == pytest.approx(-math.log(1000), abs=1e-3)


def test_the_density_of_a_row_integrates_to_one(fitted):
    grid = np.linspace(-40, 40, 40_001)
    row = np.full((len(grid), 1), 0.7)
    density = np.exp(fitted.score_samples(row, grid))
    assert np.trapezoid(density, grid) == pytest.approx(1, abs=1e-4)
    mean = np.trapezoid(density * grid, grid)
    assert fitted.predict(row[:1])[0] == pytest.approx(mean, abs=1e-3)
    below = np.trapezoid(np.where(grid < fitted.predict_quantiles(row[:1], 0.3), density, 0), grid)
    assert below == pytest.approx(0.3, abs=2e-3)


def test_quantiles_cover_and_increase(fitted):
    x, y = _noisy(5000, 2)
    levels = [0.05, 0.25, 0.5, 0.75, 0.95]
    quantiles = fitted.predict_quantiles(x, levels)
    assert quantiles.shape == (5000, 5)
    assert np.all(np.diff(quantiles, axis=1) > 0)
    covered = (y[:, None] <= quantiles).mean(0)
    np.testing.assert_allclose(covered, levels, atol=0.03)
    assert fitted.predict_quantiles(x).shape == (5000,)


def test_samples_have_the_quantiles(fitted):
    x = np.array([[-1.5], [0.0], [1.0]])
    draws = fitted.sample(x, 20_000, random_state=0)
    assert draws.shape == (20_000, 3)
    levels = np.array([0.1, 0.5, 0.9])
    below = (draws[:, :, None] <= fitted.predict_quantiles(x, levels)).mean(0)
    np.testing.assert_allclose(below, np.tile(levels, (3, 1)), atol=0.012)
    np.testing.assert_array_equal(draws, fitted.sample(x, 20_000, random_state=0))


def test_a_row_does_not_depend_on_the_others(fitted):
    x, y = _noisy(200, 3)
    some = np.random.default_rng(0).permutation(200)[:30]
    close = {"rtol": 1e-5, "atol": 1e-5}
    np.testing.assert_allclose(fitted.predict(x)[some], fitted.predict(x[some]), **close)
    of_some = fitted.score_samples(x[some], y[some])
    np.testing.assert_allclose(fitted.score_samples(x, y)[some], of_some, **close)
    of_some = fitted.predict_quantiles(x[some], [0.1, 0.9])
    np.testing.assert_allclose(fitted.predict_quantiles(x, [0.1, 0.9])[some], of_some, **close)


def test_the_same_seed_gives_the_same_fit_and_a_pickle_keeps_it():
    x, y = _noisy(200, 0)
    one, two = (FlowRegressor(**SMALL).fit(x, y) for _ in range(2))
    other = FlowRegressor(**{**SMALL, "random_state": 1}).fit(x, y)
    np.testing.assert_array_equal(one.predict(x), two.predict(x))
    assert not np.allclose(one.predict(x), other.predict(x))
    again = pickle.loads(pickle.dumps(one))
    np.testing.assert_array_equal(one.score_samples(x, y), again.score_samples(x, y))


def test_a_rounded_target_is_scored_by_its_cells():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1000, 2))
    y = np.round(x[:, 0] + rng.normal(size=1000), 0)
    model = FlowRegressor(**SMALL).fit(x, y)
    np.testing.assert_allclose(model.resolution_, [1.0])
    lattice = np.arange(-40, 41.0)
    mass = np.exp(model.score_samples(np.tile(x[:1], (len(lattice), 1)), lattice))
    assert mass.sum() == pytest.approx(1, abs=1e-5)
    draws = model.sample(x[:5], 100, random_state=0)
    np.testing.assert_allclose(draws, np.round(draws))


def test_of_two_values_the_mean_is_their_probability():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (2000, 1))
    y = (rng.uniform(size=2000) < 0.5 + 0.4 * x[:, 0]).astype(float)
    model = FlowRegressor(**{**SMALL, "steps": 400}).fit(x, y)
    np.testing.assert_allclose(model.predict(x), 0.5 + 0.4 * x[:, 0], atol=0.12)
    assert set(np.unique(model.predict_quantiles(x, [0.1, 0.5, 0.9]))) == {0.0, 1.0}


def test_a_known_target_gains_no_more_than_its_resolution():
    x = np.random.default_rng(0).normal(size=(500, 1))
    y = (x[:, 0] > 0) * 0.5
    model = FlowRegressor(**{**SMALL, "steps": 300}).fit(x, y)
    assert 0.3 < model.score(x, y) <= math.log(2)


def test_outputs_together_know_their_dependence():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(800, 1))
    first = x[:, 0] + rng.normal(size=800)
    y = np.stack([first, first + 0.1 * rng.normal(size=800)], 1)
    model = FlowRegressor(members=2, steps=300, random_state=0).fit(x, y)
    truth = -math.log(2 * math.pi * math.e) - math.log(0.1)
    assert model.score(x, y) == pytest.approx(truth, abs=0.25)
    draws = model.sample(x[:4], 500, random_state=0)
    assert draws.shape == (500, 4, 2)
    for i in range(4):
        assert np.corrcoef(draws[:, i].T)[0, 1] > 0.95
    mean = model.predict(x)
    assert mean.shape == (800, 2)
    np.testing.assert_allclose(mean[:, 0], mean[:, 1], atol=0.15)
    assert model.predict_quantiles(x[:4], [0.1, 0.9]).shape == (4, 2, 2)
    assert model.predict_quantiles(x[:4], 0.5).shape == (4, 2)


def test_rows_of_no_weight_count_for_nothing():
    x, y = _noisy(300, 0)
    far = np.full(20, 1e6)
    weight = np.r_[np.ones(300), np.zeros(20)]
    weighted = FlowRegressor(**SMALL).fit(np.r_[x, x[:20]], np.r_[y, far], sample_weight=weight)
    np.testing.assert_allclose(weighted.predict(x), FlowRegressor(**SMALL).fit(x, y).predict(x))


def test_weights_draw_the_density():
    x = np.zeros((400, 1))
    y = np.r_[
        np.random.default_rng(0).normal(-3, 1, 200), np.random.default_rng(1).normal(3, 1, 200)
    ]
    weight = np.r_[np.full(200, 3.0), np.full(200, 1.0)]
    model = FlowRegressor(**{**SMALL, "steps": 400}).fit(x, y, sample_weight=weight)
    assert (model.sample(x[:1], 4000, random_state=0) < 0).mean() == pytest.approx(0.75, abs=0.06)


def test_inputs_that_say_nothing_leave_the_marginal_density():
    rng = np.random.default_rng(0)
    model = FlowRegressor(random_state=0, steps=300).fit(
        rng.normal(size=(60, 50)), rng.normal(size=60)
    )
    truth = -0.5 * math.log(2 * math.pi * math.e)
    assert model.score(rng.normal(size=(4000, 50)), rng.normal(size=4000)) > truth - 0.15


def test_a_column_that_was_constant_says_nothing():
    x, y = _noisy(200, 0)
    wide = np.c_[x, np.full(200, 5.0)]
    model = FlowRegressor(**SMALL).fit(wide, y)
    moved = wide + np.array([0.0, 1000.0])
    np.testing.assert_array_equal(model.predict(wide), model.predict(moved))


def test_pipelines_searches_and_clones():
    X, y = make_regression(120, 3, noise=5.0, random_state=0)
    pipeline = make_pipeline(StandardScaler(), FlowRegressor(**SMALL))
    search = GridSearchCV(pipeline, {"flowregressor__steps": [1, 100]}, cv=3).fit(X, y)
    assert search.best_params_ == {"flowregressor__steps": 100}
    assert clone(search.best_estimator_).get_params()["flowregressor__hidden"] == (32,)
    assert math.isfinite(search.best_score_)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"members": 0}, "members must be a whole number >= 1, got 0"),
        ({"dropout": 1.0}, r"dropout must be in \[0, 1\), got 1.0"),
        ({"steps": 2.5}, "steps must be a whole number"),
        ({"hidden": (0,)}, "every width of hidden"),
        ({"learning_rate": -1.0}, "learning_rate must be positive"),
    ],
)
def test_arguments_are_checked(change, message):
    with pytest.raises(ValueError, match=message):
        FlowRegressor(**{**SMALL, **change}).fit(*_noisy(50, 0))


def test_data_are_checked(fitted):
    x, y = _noisy(50, 0)
    with pytest.raises(DataError, match=r"output 1 of y is constant \(3\)"):
        FlowRegressor(**SMALL).fit(x, np.stack([y, np.full(50, 3.0)], 1))
    with pytest.raises(DataError, match="at least 2 rows of positive weight, got 1"):
        FlowRegressor(**SMALL).fit(x, y, sample_weight=np.r_[1.0, np.zeros(49)])
    with pytest.raises(ValueError, match="NaN"):
        FlowRegressor(**SMALL).fit(np.where(x > 0, x, np.nan), y)
    with pytest.raises(ValueError, match=r"q must be a level in \(0, 1\)"):
        fitted.predict_quantiles(x, [0.5, 1.0])
    with pytest.raises(DataError, match=r"y must have 50 rows of 1 output\(s\), got shape \(49,\)"):
        fitted.score_samples(x, y[1:])


def test_two_rows_are_enough():
    model = FlowRegressor(**SMALL).fit([[0.0], [1.0]], [0.0, 1.0])
    assert np.isfinite(model.score([[0.5]], [0.5]))


def test_the_checks_of_scikit_learn_pass():
    tiny = FlowRegressor(members=2, hidden=(4,), steps=5, random_state=0)
    results = check_estimator(tiny, expected_failed_checks=NOT_APPLICABLE, on_skip=None)
    assert {r["check_name"] for r in results if r["status"] == "xfail"} == set(NOT_APPLICABLE)
    assert len(results) > 40
