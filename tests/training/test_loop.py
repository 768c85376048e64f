from __future__ import annotations

import shutil
import time

import numpy as np
import pytest
import torch

import diffeo
from diffeo.bases import StandardNormal
from diffeo.errors import DataWarning, TrainingError
from diffeo.objectives import negative_log_likelihood
from diffeo.transforms import Coupling, Standardize
from diffeo.univariates import Affine

QUICK = {"epochs": 3, "progress": False}


def fitted(model, x, **options):
    return model.fit(x, **{**QUICK, **options})


def weights(model):
    return {name: t.clone() for name, t in model.state_dict().items()}


def same(one, other):
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


class Counting:
    """The negative log-likelihood that calls ``act(k)`` at its k-th training batch, from 1."""

    def __init__(self, act):
        self.act = act
        self.calls = 0

    def __call__(self, model, x, context, weight):
        loss = negative_log_likelihood(model, x, context, weight)
        if not model.training:
            return loss
        self.calls += 1
        return loss + (self.act(self.calls) or 0)


# -- seeds -------------------------------------------------------------------------------------


def test_the_seed_decides_the_result(small, table):
    one = fitted(small(), table, seed=3)
    assert same(one, fitted(small(), table, seed=3))
    assert not same(one, fitted(small(), table, seed=4))
    assert fitted(small(), table, seed=-(2**70)).record["options"]["seed"] == -(2**70)


def test_fit_leaves_the_global_random_state_alone(small, table):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    # an objective that draws is seeded too
    noisy = lambda f, x, c, w: -(f.log_prob(x + 0.01 * torch.randn_like(x))).mean()  # noqa: E731
    one = fitted(small(), table, objective=noisy)
    torch.testing.assert_close(torch.rand(3), expected, rtol=0, atol=0)
    torch.manual_seed(6)
    assert same(one, fitted(small(), table, objective=noisy))


def test_what_an_objective_draws_is_not_the_noise_of_ties(small):
    x = np.random.default_rng(0).integers(0, 50, size=(200, 2)).astype(np.float32)
    seen = []

    def objective(model, x, context, weight):
        seen.append((x - x.round(), torch.rand_like(x) - 0.5))
        return negative_log_likelihood(model, x)

    with pytest.warns(DataWarning):
        fitted(small(), x, objective=objective, batch_size=1000, validation=None, epochs=1)
    (jitter, drawn), *_ = seen
    assert jitter.std() > 0.2
    # the same stream in another order would share its sorted values
    assert not torch.equal(jitter.flatten().sort().values, drawn.flatten().sort().values)


# -- stopping and choosing ---------------------------------------------------------------------


def test_the_best_weights_are_restored(small, table):
    kept = []
    model = small(hidden=(32,))
    # a step so large that later epochs are worse
    fitted(
        model,
        table,
        epochs=12,
        patience=None,
        lr=0.05,
        schedule="constant",
        validation=(held := table[:60] + 0.03, None),
        objective=lambda f, x, c, w: kept.append(weights(f)) or -f.log_prob(x).mean(),
        batch_size=1000,
    )
    record = model.record
    losses = [epoch["validation"] for epoch in record["history"]]
    assert len(losses) == 12
    assert record["best_epoch"] == 1 + int(np.argmin(losses)) < 12
    assert record["best_loss"] == min(losses)
    loss = -model.log_prob(torch.tensor(held, dtype=torch.float32)).mean().item()
    assert loss == pytest.approx(record["best_loss"], abs=1e-6)
    assert not model.training


def test_patience_stops_and_none_does_not(small, table):
    worse = {"lr": 0.05, "schedule": "constant", "epochs": 30}
    stopped = fitted(small(hidden=(32,)), table, patience=2, **worse).record
    assert stopped["stopped"] == "patience"
    assert len(stopped["history"]) == stopped["best_epoch"] + 2 < 30
    full = fitted(small(hidden=(32,)), table, patience=None, **worse).record
    assert (full["stopped"], len(full["history"])) == ("epochs", 30)


def test_without_validation_the_last_weights_are_kept(small, table):
    record = fitted(small(), table, validation=None, patience=1).record
    assert (record["best_epoch"], record["stopped"]) == (3, "epochs")
    assert [epoch["validation"] for epoch in record["history"]] == [None] * 3


def test_a_time_budget_stops_within_an_epoch(small, table):
    slow = Counting(lambda k: time.sleep(0.05))
    start = time.monotonic()
    record = fitted(small(), table, epochs=10**6, batch_size=1, objective=slow, max_time=0.3).record
    assert record["stopped"] == "max_time"
    assert time.monotonic() - start < 5
    assert len(record["history"]) == 1
    assert 2 <= slow.calls < 100


def test_ctrl_c_keeps_the_best_weights_and_says_so(small, table):
    def interrupt(call):
        if call == 8:
            raise KeyboardInterrupt

    # 216 rows in batches of 100: the eighth batch is the second of epoch 3
    options = {"batch_size": 100, "epochs": 9, "schedule": "constant"}
    model = small()
    with pytest.warns(DataWarning, match=r"interrupted in epoch 3.* are kept \(epoch 2\)"):
        fitted(model, table, objective=Counting(interrupt), **options)
    assert model.record["stopped"] == "interrupted"
    assert same(model, fitted(small(), table, **{**options, "epochs": 2}))
    assert not model.training


def test_an_error_in_the_objective_leaves_the_best_weights(small, table):
    def fail(call):
        if call == 8:
            raise ZeroDivisionError

    options = {"batch_size": 100, "epochs": 9, "schedule": "constant"}
    model = small()
    with pytest.raises(ZeroDivisionError):
        fitted(model, table, objective=Counting(fail), **options)
    assert same(model, fitted(small(), table, **{**options, "epochs": 2}))


# -- options -----------------------------------------------------------------------------------


def test_the_objective_gets_model_rows_context_and_weights(small, table):
    calls = []

    def objective(model, x, context, weight):
        calls.append((model, x.shape, context.shape, weight.shape, weight.mean().item()))
        return negative_log_likelihood(model, x, context, weight)

    model = small(context=1)
    context, weight = table[:, :1] ** 2, np.arange(240.0)
    options = {"epochs": 1, "batch_size": 1000, "objective": objective}
    fitted(model, table, context=context, sample_weight=weight, **options)
    train, held = calls
    # the row of weight 0 is left out; each part's weights have mean 1
    assert train == (model, (215, 2), (215, 1), (215,), pytest.approx(1, abs=1e-5))
    assert held == (model, (24, 2), (24, 1), (24,), pytest.approx(1, abs=1e-5))


@pytest.mark.parametrize("objective", [lambda f, x, c, w: 0.0, lambda f, x, c, w: -f.log_prob(x)])
def test_an_objective_that_gives_no_scalar_is_refused(small, table, objective):
    with pytest.raises(TrainingError, match="must return a scalar tensor"):
        fitted(small(), table, objective=objective)


def test_the_schedule_sets_the_learning_rate(small, table):
    progress, rates = [], []

    class Recording(torch.optim.SGD):
        def step(self, closure=None):
            rates.append(self.param_groups[0]["lr"])
            return super().step(closure)

    def schedule(share):
        progress.append(share)
        return 1 - share

    options = {"epochs": 2, "batch_size": 60, "validation": None, "lr": 0.5, "optimizer": Recording}
    fitted(small(), table, schedule=schedule, **options)
    assert progress == pytest.approx(np.arange(8) / 8)
    assert rates == pytest.approx(0.5 * (1 - np.arange(8) / 8))
    rates.clear()
    fitted(small(), table, **options)
    assert rates == pytest.approx(0.25 * (1 + np.cos(np.pi * np.arange(8) / 8)))
    rates.clear()
    fitted(small(), table, schedule="constant", **options)
    assert rates == [0.5] * 8


def test_clipping_bounds_the_step(small, table):
    def moved(clip):
        model = small()
        before = weights(model)
        descent = {"optimizer": torch.optim.SGD, "lr": 1.0, "schedule": "constant"}
        whole = {"epochs": 1, "validation": None, "batch_size": 1000, "standardize": False}
        fitted(model, table * 10, clip=clip, **descent, **whole)
        changes = [p.detach() - before[name] for name, p in model.named_parameters()]
        return torch.cat([change.flatten() for change in changes]).norm().item()

    assert moved(0.01) == pytest.approx(0.01, rel=1e-3)
    assert moved(None) > 1


def test_averaged_weights_are_validated_and_kept(small, table):
    options = {
        "epochs": 1,
        "batch_size": 60,
        "schedule": "constant",
        "validation": table[:50] + 0.1,
    }
    trained = []
    averaging = small()
    fitted(
        averaging,
        table,
        ema=0.9,
        **options,
        objective=Counting(lambda k: trained.append(weights(averaging))),
    )
    # ``trained`` holds the weights before each of 4 steps; a plain fit gives those after the last
    trained.append(weights(fitted(small(), table, **options)))
    start, *later = trained
    for name, value in start.items():
        if value.is_floating_point():
            for after in later:
                value = value.lerp(after[name], 0.1)
            torch.testing.assert_close(averaging.state_dict()[name], value)
    loss = -averaging.log_prob(torch.tensor(options["validation"]).float()).mean().item()
    assert averaging.record["best_loss"] == pytest.approx(loss, abs=1e-6)


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")
def test_a_compiled_fit_agrees_with_an_eager_one(small, table):
    options = {"batch_size": 54, "epochs": 2}
    # native kernels leave float64 to the compiler
    compiled = fitted(small(layers=1).double(), table, compile=True, **options)
    eager = fitted(small(layers=1).double(), table, **options)
    torch.testing.assert_close(weights(compiled), weights(eager), rtol=1e-3, atol=1e-4)


def test_frozen_parameters_stay(small, table):
    model = small()
    frozen = model.transform[0].requires_grad_(False)
    before = weights(frozen)
    fitted(model, table)
    assert all(torch.equal(before[k], v) for k, v in frozen.state_dict().items())
    with pytest.raises(TrainingError, match="no parameters to train"):
        fitted(small().requires_grad_(False), table)


# -- standardisation ---------------------------------------------------------------------------


def test_log_prob_is_in_the_units_of_the_data(table):
    model = diffeo.Flow(StandardNormal(2), Coupling(2, Affine(), hidden=(8,)))
    x = table * [3.0, 0.01] + [5.0, -2.0]
    fitted(model, x, lr=1e-20, validation=None)
    # with the coupling at the identity, a normal with the data's moments
    mean, sd = x.mean(0), x.std(0)
    expected = -0.5 * ((x - mean) / sd) ** 2 - np.log(sd) - 0.5 * np.log(2 * np.pi)
    np.testing.assert_allclose(model.log_prob(x), expected.sum(1), rtol=0, atol=1e-4)
    assert isinstance(model.transform[-1], Standardize)


def test_a_composed_flow_is_standardised_once_and_saved(table, tmp_path):
    model = diffeo.Flow(StandardNormal(2), Coupling(2, Affine(), hidden=(8,)))
    fitted(fitted(model, table), table)
    assert sum(isinstance(m, Standardize) for m in model.modules()) == 1
    model.save(tmp_path / "m.safetensors")
    loaded = diffeo.load(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(loaded.log_prob(table), model.log_prob(table))


def test_without_standardisation_the_layer_is_the_identity(small, table):
    model = fitted(small(context=2), table * 50, context=table, standardize=False)
    for name, value in model.state_dict().items():
        if name.endswith((".mean", ".scale")):
            torch.testing.assert_close(value, torch.full_like(value, name.endswith("scale")))
    plain = diffeo.Flow(StandardNormal(2), Coupling(2, Affine(), hidden=(8,)))
    assert isinstance(fitted(plain, table, standardize=False).transform, Coupling)


def test_contexts_are_standardised(small, table):
    scaled = fitted(small(context=2), table, context=table * [1e5, 1e-5] + 7)
    plain = fitted(small(context=2), table, context=table)
    torch.testing.assert_close(
        scaled.record["best_loss"], plain.record["best_loss"], rtol=1e-2, atol=0
    )


# -- losses that are not finite ----------------------------------------------------------------


def test_one_bad_loss_is_survived_with_half_the_step(small, table):
    rates = []

    class Recording(torch.optim.Adam):
        def step(self, closure=None):
            rates.append(self.param_groups[0]["lr"])
            return super().step(closure)

    objective = Counting(lambda k: torch.nan if k == 6 else 0.0)
    options = {"batch_size": 60, "validation": None, "schedule": "constant", "lr": 0.01}
    model = fitted(small(), table, objective=objective, optimizer=Recording, **options)
    assert model.record["rollbacks"] == 1
    assert len(model.record["history"]) == 3
    # epoch 1, one step of epoch 2, then epochs 2 and 3 again
    assert rates == [0.01] * 5 + [0.005] * 8
    assert np.isfinite(model.log_prob(table)).all()


def test_a_rollback_returns_to_the_start_of_the_epoch(small, table):
    bad = Counting(lambda k: torch.nan if k == 6 else 0.0)
    options = {"batch_size": 60, "validation": None, "epochs": 2}
    rolled = fitted(small(), table, objective=bad, **options)
    halved = fitted(
        small(),
        table,
        schedule=lambda share: 0.5 * (1 + np.cos(np.pi * share)) * (1 if share < 0.5 else 0.5),
        **options,
    )
    assert same(rolled, halved)


def test_a_loss_that_stays_bad_names_the_layer(small, table):
    model = small()
    with torch.no_grad():
        model.transform[1].conditioner.output.bias[0] = torch.inf
    before = weights(model)
    with pytest.raises(TrainingError, match=r"parameter transform.transforms.1.conditioner.output"):
        fitted(model, table, standardize=False)
    assert all(
        torch.equal(v, before[k]) for k, v in weights(model).items() if "initialized" not in k
    )


def test_a_bad_objective_is_not_blamed_on_a_layer(small, table):
    with pytest.raises(TrainingError, match="the objective itself is not finite"):
        fitted(small(), table, objective=Counting(lambda k: torch.nan))


def test_a_validation_loss_that_is_not_finite_is_not_passed_over(small, table):
    far = table[:10] * 1e25
    with pytest.raises(TrainingError, match=r"not finite in epoch 1"):
        fitted(small(), table, validation=far)


def test_each_epoch_is_told_and_an_error_ends_the_fit(table):
    told = []

    def on_epoch(epoch, train, validation):
        told.append({"epoch": epoch, "train": train, "validation": validation})
        if len(told) == 5:
            raise RuntimeError("enough")

    plain, watched = (diffeo.NSF(2, layers=1, hidden=[8], seed=0) for _ in range(2))
    fitted(plain, table)
    fitted(watched, table, on_epoch=on_epoch)
    assert told == watched.record["history"]
    # watching changes nothing, not even the record
    assert same(plain, watched)
    assert plain.record["options"] == watched.record["options"]
    with pytest.raises(RuntimeError, match="enough"):
        fitted(watched, table, on_epoch=on_epoch)
    assert len(told) == 5
    with pytest.raises(ValueError, match="on_epoch must be None or a function"):
        fitted(watched, table, on_epoch=3)
