from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch

import diffeo
from diffeo.errors import ContextError, DataError, DtypeError, ShapeError, UnknownModelError


@pytest.fixture(scope="module")
def table():
    noise = np.random.default_rng(0).normal(size=(200, 2))
    return np.stack([noise[:, 0] * 2 + 1, noise[:, 0] + 0.5 * noise[:, 1]], axis=1)


@pytest.fixture(scope="module")
def flow(table):
    """Fitted to a frame with columns a, b given h."""
    model = diffeo.RealNVP(2, context=1, layers=2, hidden=(8,), seed=0)
    frame = pd.DataFrame(table, columns=["a", "b"])
    context = pd.DataFrame({"h": table.sum(1)})
    return model.fit(frame, context=context, epochs=2, progress=False)


# -- what goes in and what comes out -----------------------------------------------------------


def test_arrays_in_arrays_out(flow, table):
    c = table[:, :1]
    log_prob = flow.log_prob(table, c)
    assert isinstance(log_prob, np.ndarray)
    assert (log_prob.dtype, log_prob.shape) == (np.float32, (200,))
    assert isinstance(flow.log_prob(torch.from_numpy(table).float(), c), np.ndarray)
    np.testing.assert_array_equal(flow.log_prob(table.tolist(), c.tolist()), log_prob)
    assert isinstance(flow.sample(3, c), np.ndarray)
    assert all(isinstance(part, np.ndarray) for part in flow.sample_and_log_prob(3, c))
    assert isinstance(flow.score(table, c), np.ndarray)


def test_tensors_in_tensors_out_with_gradients(flow, table):
    x = torch.tensor(table, dtype=torch.float32, requires_grad=True)
    c = torch.tensor(table[:, :1], dtype=torch.float32, requires_grad=True)
    log_prob = flow.log_prob(x, c)
    log_prob.sum().backward()
    assert bool((x.grad != 0).all())
    assert bool((c.grad != 0).any())
    assert all(p.grad is not None for p in flow.parameters())
    flow.zero_grad()
    np.testing.assert_allclose(log_prob.detach(), flow.log_prob(table, table[:, :1]), rtol=1e-5)


def test_the_score_is_the_gradient(flow, table):
    x = torch.tensor(table, dtype=torch.float32, requires_grad=True)
    c = torch.tensor(table[:, :1], dtype=torch.float32)
    (expected,) = torch.autograd.grad(flow.log_prob(x, c).sum(), x)
    torch.testing.assert_close(flow.score(x.detach(), c), expected)
    np.testing.assert_allclose(flow.score(table, table[:, :1]), expected, rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        torch.testing.assert_close(flow.score(x.detach(), c), expected)
    # a second derivative, where the caller asks for one
    assert torch.autograd.grad(flow.score(x, c).sum(), x)[0].shape == x.shape


@pytest.mark.parametrize("shape", [(), (5,), (5, 6)])
def test_samples_have_the_batch_of_the_context(shape):
    flow = diffeo.NSF(features=4, context=3, layers=1, hidden=(8,))
    c = torch.randn(*shape, 3)
    assert flow.sample(1000, context=c).shape == (1000, *shape, 4)
    assert flow.sample((10, 2), context=c).shape == (10, 2, *shape, 4)
    assert flow.sample(context=c).shape == (*shape, 4)
    x, log_prob = flow.rsample_and_log_prob(7, context=c)
    assert (x.shape, log_prob.shape) == ((7, *shape, 4), (7, *shape))
    torch.testing.assert_close(flow.log_prob(x, c), log_prob)


def test_seeds_decide_samples(flow):
    c = torch.zeros(1)
    assert torch.equal(flow.sample(5, c, seed=1), flow.sample(5, c, seed=1))
    assert not torch.equal(flow.sample(5, c, seed=1), flow.sample(5, c, seed=2))


def test_float64_beside_float32_is_refused(flow, table):
    x, c = torch.from_numpy(table), torch.zeros(1)
    with pytest.raises(DtypeError, match=r"x is torch.float64 .*\.to\(torch.float32\)"):
        flow.log_prob(x, c)
    with pytest.raises(DtypeError, match=r"context is torch\.float64"):
        flow.sample(1, c.double())


def test_float64_models_work_throughout(table):
    model = diffeo.NSF(2, context=1, layers=2, hidden=(8,), bins=4, seed=0).double()
    x, c = torch.from_numpy(table), torch.from_numpy(table[:, :1])
    model.fit(x, context=c, epochs=1, progress=False)
    assert {p.dtype for p in model.parameters()} == {torch.float64}
    assert model.log_prob(x, c).dtype == torch.float64
    drawn, log_prob = model.sample_and_log_prob(3, c)
    assert (drawn.dtype, log_prob.dtype) == (torch.float64, torch.float64)
    torch.testing.assert_close(model.log_prob(drawn, c), log_prob, rtol=1e-8, atol=1e-8)
    assert model.log_prob(table, table[:, :1]).dtype == np.float64


def test_bad_contexts_are_named(flow, table):
    with pytest.raises(ContextError, match="got none"):
        flow.log_prob(table)
    with pytest.raises(ContextError, match=r"got one of shape \(200, 2\)"):
        flow.log_prob(table, table)
    with pytest.raises(ContextError, match="does not broadcast"):
        flow.log_prob(table, np.zeros((199, 1)))
    with pytest.raises(ShapeError, match=r"\(200, 3\)"):
        flow.log_prob(np.zeros((200, 3)), np.zeros((200, 1)))


# -- frames ------------------------------------------------------------------------------------


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_frames_are_matched_by_name(flow, table, frame):
    c = table[:, :1]
    straight = flow.log_prob(table, c)
    swapped = frame({"b": table[:, 1], "a": table[:, 0]})
    np.testing.assert_array_equal(flow.log_prob(swapped, frame({"h": c[:, 0]})), straight)
    with pytest.raises(DataError, match=r"missing: \['b'\]; not in the fit: \['z'\]"):
        flow.log_prob(frame({"a": table[:, 0], "z": table[:, 1]}), c)
    with pytest.raises(DataError, match=r"context must have the columns of the fit, \['h'\]"):
        flow.log_prob(table, frame({"g": c[:, 0]}))


def test_frames_after_a_fit_without_names(table):
    model = diffeo.RealNVP(2, layers=1, hidden=(8,)).fit(table, epochs=1, progress=False)
    named = pd.DataFrame(table, columns=["a", "b"])
    np.testing.assert_array_equal(model.log_prob(named), model.log_prob(table))


# -- training by hand --------------------------------------------------------------------------


def test_training_by_hand_and_plain_state_dicts(table):
    model = diffeo.NSF(2, layers=2, hidden=(8,), seed=0)
    x = torch.tensor(table, dtype=torch.float32)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = -model.log_prob(x).mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.3
    other = diffeo.NSF(2, layers=2, hidden=(8,), seed=1)
    other.load_state_dict(model.state_dict())
    assert torch.equal(other.log_prob(x), model.log_prob(x))


# -- the front door ----------------------------------------------------------------------------


def test_fit_by_name(table):
    c = table[:, :1]
    options = {"model_options": {"layers": 1, "hidden": (8,)}, "epochs": 1, "progress": False}
    model = diffeo.fit(table, context=c, model="MAF", **options)
    assert isinstance(model, diffeo.MAF)
    assert (model.event_shape, model.context) == ((2,), 1)
    again = diffeo.fit(table, context=c, model="maf", **options)
    np.testing.assert_array_equal(model.log_prob(table, c), again.log_prob(table, c))
    with pytest.raises(UnknownModelError, match="'nfs'; did you mean nsf"):
        diffeo.fit(table, model="nfs")
    with pytest.raises(DataError, match=r"shape \(rows, columns\)"):
        diffeo.fit(table[:, 0])


def test_the_record_says_what_was_done(flow):
    record = flow.record
    assert {"data", "options", "history", "best_epoch", "best_loss", "versions"} <= record.keys()
    assert [epoch["epoch"] for epoch in record["history"]] == [1, 2]
    assert record["versions"]["torch"] == torch.__version__
