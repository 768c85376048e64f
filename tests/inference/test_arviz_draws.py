from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

from diffeo.errors import ShapeError
from diffeo.inference.arviz import to_arviz

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", r"\s*ArviZ is undergoing", FutureWarning)
    arviz = pytest.importorskip("arviz", reason="needs the extra: pip install 'diffeo[bayes]'")


def test_names_values_and_weights():
    draws = {"mu": torch.randn(50), "theta": torch.randn(50, 3, requires_grad=True)}
    weights = np.arange(50.0)
    data = to_arviz(
        draws,
        log_weights=weights,
        sample_stats={"lp": torch.zeros(50)},
        dims={"theta": ["school"]},
        coords={"school": ["a", "b", "c"]},
    )
    assert isinstance(data, arviz.InferenceData)
    assert data.posterior["theta"].dims == ("chain", "draw", "school")
    assert np.array_equal(data.posterior["theta"].sel(school="b")[0], draws["theta"].detach()[:, 1])
    assert np.array_equal(data.sample_stats["log_weight"][0], weights)
    assert data.sample_stats["lp"].shape == (1, 50)


def test_the_summary_of_chains():
    generator = torch.Generator().manual_seed(0)
    draws = {"mu": 2 + torch.randn(4, 500, generator=generator), "theta": torch.randn(4, 500, 2)}
    table = arviz.summary(to_arviz(draws, chains=True))
    assert list(table.index) == ["mu", "theta[0]", "theta[1]"]
    assert table.loc["mu", "mean"] == pytest.approx(2, abs=0.1)
    assert table.loc["mu", "r_hat"] < 1.02
    alone = arviz.summary(to_arviz({"mu": draws["mu"].flatten()}))
    assert alone.loc["mu", "mean"] == pytest.approx(table.loc["mu", "mean"], abs=1e-3)
    assert "sample_stats" not in to_arviz(draws, chains=True).groups()


def test_values_that_do_not_fit_together():
    with pytest.raises(ShapeError, match="at least one name"):
        to_arviz({})
    with pytest.raises(ShapeError, match=r"'b' must have the shape \(n, \*shape\) .*got \(4, 2\)"):
        to_arviz({"a": np.zeros(5), "b": np.zeros((4, 2))})
    with pytest.raises(ShapeError, match=r"'log_weight' must have .*\(2, 5\), got \(5,\)"):
        to_arviz({"a": np.zeros((2, 5))}, chains=True, log_weights=np.zeros(5))
    with pytest.raises(ShapeError, match=r"'a' must have the shape \(chains, n, \*shape\)"):
        to_arviz({"a": np.zeros(5)}, chains=True)
