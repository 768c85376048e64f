from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

import diffeo
from diffeo.errors import DataWarning
from diffeo.supports import Features, interval, positive, real
from diffeo.training.ties import find_resolutions, jitter


def normal(rows, seed=0):
    return torch.randn(rows, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("column", "step"),
    [
        (normal(2000).round(decimals=2), 0.01),
        (normal(2000).round(decimals=2) * 1e6, 1e4),
        (normal(2000).round(decimals=2) * 1e-6, 1e-8),
        (1000 + normal(2000).round(decimals=2), 0.01),
        ((normal(2000) * 20).round(), 1.0),
        ((normal(2000) * 20).round() / 3, 1 / 3),
        ((normal(2000) > 0).double(), 1.0),
        (normal(2000), 0.0),
        (normal(100).round(decimals=4), 0.0),
    ],
)
def test_resolutions(column, step, dtype):
    (found,) = find_resolutions(column[:, None].to(dtype))
    # a rounded number of size 1000 has its own rounding in float32
    assert found.item() == pytest.approx(step, rel=1e-2)


def test_one_number_written_in_two_ways_is_one_value():
    tenths = torch.arange(200, dtype=torch.float64) % 20 / 10
    twice = torch.cat([tenths, tenths * (1 + 4e-16)])
    assert find_resolutions(twice[:, None]).item() == pytest.approx(0.1)


def test_values_as_dense_as_floats_have_a_resolution():
    ulps = 1.0 + torch.arange(100).repeat(5) * torch.finfo(torch.float32).eps
    assert 0 < find_resolutions(ulps[:, None]).item() < 1e-6


def test_noise_is_uniform_and_stays_in_the_support():
    x = torch.tensor([[0.0, 0.1, 0.1]]).expand(20_000, 3)
    support = Features([real(), positive(), interval(0.09, 1.0)])
    draw = torch.Generator().manual_seed(0)
    noise = jitter(x, torch.tensor([0.0, 0.3, 0.2]), support, draw) - x
    assert torch.equal(noise[:, 0], torch.zeros(20_000))
    assert bool(support.contains(x + noise).all())
    # noise that would leave is mirrored
    assert -0.1 < noise[:, 1].min() < -0.09
    assert noise[:, 1].max() == pytest.approx(0.15, abs=1e-3)
    assert -0.01 <= noise[:, 2].min() < -0.009
    inside = jitter(x, torch.tensor([0.0, 0.0, 0.01]), support, draw)[:, 2] - 0.1
    assert inside.mean().item() == pytest.approx(0, abs=1e-4)
    assert inside.std().item() == pytest.approx(0.01 / 12**0.5, rel=0.02)


def rounded_frame():
    noise = np.random.default_rng(0).normal(size=(400, 3))
    return pd.DataFrame(
        {"temp": noise[:, 0].round(1), "exact": noise[:, 1], "count": (noise[:, 2] * 9).round()}
    )


def test_fit_warns_of_ties_and_records_them():
    frame = rounded_frame()
    seen = []

    def objective(model, x, context, weight):
        seen.append((model.training, x))
        return -model.log_prob(x).mean()

    model = diffeo.RealNVP(3, layers=2, hidden=(8,), seed=0)
    with pytest.warns(DataWarning, match=r"temp \(0.1\), count \(1\)$") as caught:
        model.fit(frame, objective=objective, epochs=2, progress=False)
    assert len(caught) == 1
    found = {k: v["resolution"] for k, v in model.record["data"]["statistics"].items()}
    assert found == {"temp": pytest.approx(0.1, rel=1e-5), "exact": 0.0, "count": 1.0}
    for _, x in seen:
        assert len(x[:, 0].unique()) > 0.95 * len(x)
        assert not torch.equal(x[:, 2], x[:, 2].round())
        assert np.isin(x[:, 1].numpy(), frame["exact"].to_numpy(np.float32)).all()
    # new noise every epoch, the same for each validation
    batches = [x for training, x in seen if training]
    held = [x for training, x in seen if not training]
    assert not torch.equal(batches[0][:, 0].sort()[0], batches[2][:, 0].sort()[0])
    assert torch.equal(held[0], held[1])
    # only in training: a score is of the values as they are
    np.testing.assert_array_equal(model.log_prob(frame), model.log_prob(frame))


def test_a_continuous_table_gets_no_noise():
    x = np.random.default_rng(0).normal(size=(300, 2)).astype(np.float32)
    seen = []

    def objective(model, x, context, weight):
        seen.append(x)
        return -model.log_prob(x).mean()

    model = diffeo.RealNVP(2, layers=2, hidden=(8,), seed=0)
    model.fit(x, objective=objective, epochs=1, progress=False)
    assert all(np.isin(batch.numpy(), x).all() for batch in seen)


def test_rounded_positive_columns_stay_positive():
    x = np.random.default_rng(0).gamma(0.5, size=(500, 2)).round(2) + 0.001
    seen = []

    def objective(model, x, context, weight):
        seen.append(x)
        return -model.log_prob(x).mean()

    model = diffeo.RealNVP(2, layers=2, hidden=(8,), seed=0, supports=positive())
    with pytest.warns(DataWarning):
        model.fit(x, objective=objective, epochs=1, progress=False)
    assert all(bool((batch > 0).all()) for batch in seen)
    assert np.isfinite(model.record["best_loss"])
