"""The default density of continuous columns: its plan, its weights, its parts."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from diffeo.errors import DataWarning
from diffeo.tabular.continuous import fit_continuous
from diffeo.tabular.plan import Plan

QUICK = replace(Plan.of(500), members=2, hidden=(16,), epochs=3)


def _rows(count: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 3, generator=generator, dtype=torch.float64)
    return torch.cat([x[:, :2], x[:, 1:2].exp() + x[:, 2:]], dim=1)


def test_plans_of_larger_tables_take_about_as_many_steps() -> None:
    def steps(rows: int) -> float:
        plan = Plan.of(rows)
        return plan.members * plan.epochs * rows / plan.batch_size

    assert steps(10_000) == pytest.approx(steps(50_000), rel=0.1)
    assert steps(100_000) < 1.5 * steps(50_000)
    assert Plan.of(500).members > Plan.of(50_000).members


def test_the_density_is_a_proper_mixture_in_double_precision() -> None:
    flow = fit_continuous(_rows(500), plan=QUICK, seed=0, names=["a", "b", "c"])
    assert flow.log_prob(_rows(10, seed=1)).dtype == torch.float64
    weights = torch.softmax(flow.base.logits, 0)
    assert len(weights) == 4
    torch.testing.assert_close(weights[0], weights[1])
    assert [len(member["history"]) for member in flow.record["members"]] == [3, 3]


def test_a_value_far_out_costs_its_logarithm() -> None:
    x = _rows(500)
    flow = fit_continuous(x, plan=QUICK, seed=0, names=["a", "b", "c"])
    out = x[:1].clone()
    out[0, 0] = x[:, 0].mean() + 1000 * x[:, 0].std()
    further = out.clone()
    further[0, 0] = x[:, 0].mean() + 100_000 * x[:, 0].std()
    with torch.no_grad():
        near, far = flow.log_prob(out), flow.log_prob(further)
    # 3 degrees of freedom: a factor of 100 costs 4 log 100
    torch.testing.assert_close(
        near - far, 4 * torch.tensor([100.0]).double().log(), atol=0.1, rtol=0
    )
    assert float(torch.softmax(flow.base.logits.detach(), 0)[-1]) == pytest.approx(1 / 501)


def test_a_limit_of_time_leaves_at_least_one_flow() -> None:
    plan = replace(QUICK, members=20, epochs=1000, patience=1000, max_time=0.2)
    flow = fit_continuous(_rows(500), plan=plan, seed=0, names=["a", "b", "c"])
    assert 1 <= len(flow.record["members"]) < 20


def test_noise_of_ties_is_that_of_the_column() -> None:
    x = _rows(500)
    x[:, 1] = (x[:, 1] * 10).round() / 10
    with pytest.warns(DataWarning, match=r"b \(0\.1\)"):
        flow = fit_continuous(x, plan=QUICK, seed=0, names=["a", "b", "c"])
    drawn = flow.sample(2000, seed=0)
    assert drawn[:, 1].std() == pytest.approx(float(x[:, 1].std()), rel=0.1)


def test_the_global_generator_decides_nothing() -> None:
    torch.manual_seed(0)
    one = fit_continuous(_rows(300), plan=QUICK, seed=0, names=["a", "b", "c"])
    torch.manual_seed(1)
    two = fit_continuous(_rows(300), plan=QUICK, seed=0, names=["a", "b", "c"])
    assert torch.equal(one.log_prob(_rows(10)), two.log_prob(_rows(10)))
