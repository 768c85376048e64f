"""FlowDensity against known densities, and as scikit-learn uses estimators."""

from __future__ import annotations

import math
import pickle
import warnings
from typing import Any

import numpy as np
import pytest

import diffeo
from diffeo.errors import DataError, DataWarning

pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from diffeo.adapters.sklearn import FlowDensity

SMALL: dict[str, Any] = {"members": 2, "hidden": (16,), "epochs": 5, "random_state": 0}

# checks of scikit-learn that do not apply, and why
NOT_APPLICABLE: dict[str, str] = {
    "check_sample_weight_equivalence_on_dense_data": (
        "held-out rows and batches are drawn over rows, so a row of weight 2 is not two rows"
    ),
}


def _crescent(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """a log-normal, b = log(a)^2 + 0.3 e: rows, and their log-density."""
    rng = np.random.default_rng(seed)
    z, e = rng.normal(size=(2, rows))
    truth = -(z**2 + e**2) / 2 - math.log(2 * math.pi) - z - math.log(0.3)
    return np.stack([np.exp(z), z**2 + 0.3 * e], axis=1), truth


@pytest.fixture(scope="module")
def fitted() -> FlowDensity:
    return FlowDensity(members=3, epochs=40, random_state=0).fit(_crescent(3000, 0)[0])


def test_the_density_is_near_the_truth(fitted: FlowDensity) -> None:
    x, truth = _crescent(4000, 1)
    assert truth.mean() - 0.15 < fitted.score(x) < truth.mean() + 0.02
    assert fitted.score(x) == pytest.approx(fitted.score_samples(x).mean())


def test_it_integrates_to_one(fitted: FlowDensity) -> None:
    a, b = np.geomspace(1e-3, 60, 400), np.linspace(-5, 16, 400)
    grid = np.stack(np.meshgrid(a, b, indexing="ij"), axis=-1).reshape(-1, 2)
    density = np.exp(fitted.score_samples(grid)).reshape(len(a), len(b))
    assert np.trapezoid(np.trapezoid(density, b), a) == pytest.approx(1, abs=0.03)


def test_samples_have_the_density(fitted: FlowDensity) -> None:
    drawn = fitted.sample(4000, random_state=1)
    assert drawn.shape == (4000, 2)
    assert np.array_equal(drawn, fitted.sample(4000, random_state=1))
    # mean log-density under itself and of data agree if both are the same distribution
    assert fitted.score(drawn) == pytest.approx(_crescent(4000, 2)[1].mean(), abs=0.2)


def test_scores_are_in_the_units_of_the_columns(fitted: FlowDensity) -> None:
    x, _ = _crescent(3000, 0)
    other = FlowDensity(members=3, epochs=40, random_state=0).fit(x * [1000, 1] + 7)
    shift = other.score(x * [1000, 1] + 7) - fitted.score(x)
    assert shift == pytest.approx(-math.log(1000), abs=0.02)


def test_few_rows_fall_back_on_the_copula() -> None:
    rng = np.random.default_rng(0)
    covariance = 0.7 * np.ones((5, 5)) + 0.3 * np.eye(5)
    x, new = (rng.multivariate_normal(np.zeros(5), covariance, n) for n in (60, 2000))
    density = FlowDensity(random_state=0).fit(x)
    assert density.copula_share_ > 0.2
    kernel = KernelDensity(bandwidth="scott").fit(x)
    assert density.score(new) > kernel.score(new) / len(new)


def test_a_sum_of_columns_is_sharp() -> None:
    rng = np.random.default_rng(0)
    x, new = (rng.normal(size=(1500, 2)) ** 3 for _ in range(2))
    x, new = (np.column_stack([t, t.sum(1) + 1e-3 * rng.normal(size=len(t))]) for t in (x, new))
    density = FlowDensity(members=1, epochs=20, random_state=0).fit(x)
    parts = FlowDensity(members=1, epochs=20, random_state=0).fit(x[:, :2])
    sharpness = -0.5 * math.log(2 * math.pi * math.e) - math.log(1e-3)
    assert density.score(new) - parts.score(new[:, :2]) > sharpness - 0.3


def test_weights_count() -> None:
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(-3, 1, (400, 2)), rng.normal(3, 1, (400, 2))])
    weight = np.repeat([0.0, 2.0], 400)
    only = FlowDensity(members=1, epochs=10, random_state=0).fit(x, sample_weight=weight)
    assert only.score(x[400:]) > only.score(x[:400]) + 3
    most = FlowDensity(members=1, epochs=10, random_state=0)
    most.fit(x, sample_weight=np.repeat([1.0, 9.0], 400))
    share = (most.sample(4000, random_state=0).sum(1) > 0).mean()
    assert share == pytest.approx(0.9, abs=0.05)


def test_the_same_seed_gives_the_same_fit() -> None:
    x, _ = _crescent(200, 0)
    one, two = (FlowDensity(**SMALL).fit(x).score_samples(x) for _ in range(2))
    assert np.array_equal(one, two)
    other = clone(FlowDensity(**SMALL)).set_params(random_state=1).fit(x)
    assert not np.array_equal(one, other.score_samples(x))


def test_the_caller_keeps_the_random_state() -> None:
    import torch

    x, _ = _crescent(200, 0)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    FlowDensity(**SMALL).fit(x)
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])


def test_in_pipelines_searches_and_pickles() -> None:
    x, _ = _crescent(300, 0)
    pipe = make_pipeline(StandardScaler(), FlowDensity(**SMALL))
    search = GridSearchCV(pipe, {"flowdensity__layers": [1, 2]}, cv=2).fit(x)
    assert search.best_params_["flowdensity__layers"] in (1, 2)
    density = FlowDensity(**SMALL).fit(x)
    again = pickle.loads(pickle.dumps(density))
    assert np.array_equal(again.score_samples(x), density.score_samples(x))


def test_the_model_saves_itself(tmp_path: Any) -> None:
    x, _ = _crescent(200, 0)
    density = FlowDensity(**SMALL).fit(x)
    density.model_.save(tmp_path / "m.safetensors")
    loaded = diffeo.load(tmp_path / "m.safetensors")
    np.testing.assert_allclose(loaded.log_prob(x), density.score_samples(x))


def test_ties_are_said_and_kept_finite() -> None:
    x, _ = _crescent(300, 0)
    with pytest.warns(DataWarning, match="x1"):
        density = FlowDensity(**SMALL).fit(np.column_stack([x[:, 0], x[:, 1].round()]))
    assert np.isfinite(density.score_samples(x)).all()


def test_one_column() -> None:
    x, _ = _crescent(300, 0)
    assert FlowDensity(**SMALL).fit(x[:, :1]).sample(5, random_state=0).shape == (5, 1)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"a": "noise", "b": "constant"}, "constant columns .* b"),
        ({"a": "noise", "b": "noise"}, "'a' and 'b' are identical"),
    ],
)
def test_columns_without_a_density_are_named(columns: dict[str, str], words: str) -> None:
    import pandas as pd

    values = {"noise": np.random.default_rng(0).normal(size=50), "constant": np.ones(50)}
    frame = pd.DataFrame({name: values[kind] for name, kind in columns.items()})
    with pytest.raises(DataError, match=words):
        FlowDensity(**SMALL).fit(frame)


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ({"members": 0}, "members must be a whole number >= 1, got 0"),
        ({"epochs": 1.5}, "epochs must be a whole number"),
        ({"learning_rate": -1.0}, "learning_rate must be > 0"),
        ({"max_time": 0}, "max_time must be > 0"),
    ],
)
def test_arguments_out_of_range(argument: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        FlowDensity(**argument).fit(_crescent(50, 0)[0])


def test_too_few_rows() -> None:
    with pytest.raises(DataError, match="at least 5"):
        FlowDensity(**SMALL).fit(_crescent(4, 0)[0])
    with pytest.warns(DataWarning, match="12 rows are too few .* copula alone"):
        density = FlowDensity(**SMALL).fit(np.random.default_rng(0).normal(size=(12, 8)))
    assert density.copula_share_ == 1
    assert np.isfinite(density.score_samples(np.zeros((1, 8)))).all()


def test_before_fit() -> None:
    with pytest.raises(NotFittedError):
        FlowDensity().score_samples(np.zeros((2, 2)))


def test_scikit_learns_own_checks() -> None:
    with warnings.catch_warnings():
        # some checks fit integers
        warnings.simplefilter("ignore", DataWarning)
        check_estimator(FlowDensity(**SMALL), expected_failed_checks=NOT_APPLICABLE, on_skip=None)
