"""Every registered surjection passes the audit, fresh and perturbed; and the audit finds faults."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from registry import SURJECTIONS, Entry, cases

import diffeo
from diffeo.audit import check_flow, check_surjection, perturbed
from diffeo.surjections import (
    Argmax,
    Augment,
    Langevin,
    UniformDequantization,
    VariationalDequantization,
)


def _name(value: Any) -> str:
    return value.name.replace(" ", "_") if isinstance(value, Entry) else str(value)


@pytest.mark.parametrize(("entry", "features", "context"), cases(SURJECTIONS), ids=_name)
def test_surjection_audit(entry: Entry, features: int, context: int) -> None:
    surjection = entry.build(features, context)
    check_surjection(surjection, trace=False).raise_if_failed()
    if any(parameter.numel() for parameter in surjection.parameters()):
        check_surjection(perturbed(surjection), trace=features == 3).raise_if_failed()


class _WithoutDensity(VariationalDequantization):
    def _fractions(self, x, context, generator):
        u, log_q = super()._fractions(x, context, generator)
        return u, torch.zeros_like(log_q)


class _OverTheEdge(UniformDequantization):
    def _fractions(self, x, context, generator):
        u, log_q = super()._fractions(x, context, generator)
        return 0.999 * u, log_q

    def forward(self, z, context=None, *, generator=None):
        return super().forward(z + 0.01, context, generator=generator)


class _WithoutJacobian(Argmax):
    def inverse(self, x, context=None, *, generator=None):
        z, contribution = super().inverse(x, context, generator=generator)
        best = z.max(-1, keepdim=True).values
        # of a threshold whose gap is softplus(w_x - w_k): the log sigmoid is what is left out
        gap = (best - z).clamp(min=1e-12)
        return z, contribution - torch.log(-torch.expm1(-gap)).masked_fill(z == best, 0).sum(-1)


class _GlobalNoise(Augment):
    def inverse(self, x, context=None, *, generator=None):
        return super().inverse(x, context)


class _ReadsPast(UniformDequantization):
    def forward(self, z, context=None, *, generator=None):
        return super().forward(z[..., :1], context)


class _ForgetsTheWayBack(Langevin):
    def inverse(self, x, context=None, *, generator=None):
        z, contribution = super().inverse(x, context, generator=generator)
        return z, torch.zeros_like(contribution)


def _learned(cls: Any, *arguments: Any, **options: Any) -> Any:
    torch.manual_seed(0)
    return perturbed(cls(*arguments, hidden=(16,), **options))


@pytest.mark.parametrize(
    ("surjection", "check"),
    [
        (_learned(_WithoutDensity, [diffeo.integers(0, 3)]), "total probability"),
        (_OverTheEdge([diffeo.integers(0, 3)]), "round trip"),
        (_learned(_WithoutJacobian, [diffeo.categories(3)]), "total probability"),
        (_learned(_GlobalNoise, 1, 1), "seeds"),
        (_ReadsPast([diffeo.integers(0, 3)]), "errors"),
        (_ForgetsTheWayBack(1, diffeo.bases.StudentT(1, 3.0), 2, 0.3), "total probability"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_the_audit_of_a_surjection_finds_a_fault(surjection: Any, check: str) -> None:
    report = check_surjection(surjection, trace=False)
    assert check in {found.name for found in report.failed}, report


class _TooHigh(diffeo.SurjectiveFlow):
    def _one_draw(self, x, context, generator):
        return super()._one_draw(x, context, generator) + 0.1


class _SumOfDraws(diffeo.SurjectiveFlow):
    def log_prob(self, x, context=None, *, num_samples=1, seed=None):
        log_prob = super().log_prob(x, context, num_samples=num_samples, seed=seed)
        return log_prob + torch.tensor(num_samples).log()


class _MinimumOfDraws(diffeo.SurjectiveFlow):
    def log_prob(self, x, context=None, *, num_samples=1, seed=None):
        copies = torch.as_tensor(x).expand(num_samples, *x.shape)
        return super().log_prob(copies, context, seed=seed).amin(0)


class _OwnZ(diffeo.SurjectiveFlow):
    """The log_prob of samples by the z behind them: an upper bound on average."""

    def _rsample_and_log_prob(self, draw):
        x, log_prob = super()._rsample_and_log_prob(draw)
        return x, log_prob + 0.3


class _Silent(diffeo.SurjectiveFlow):
    def extra_repr(self):
        return ""


@pytest.mark.parametrize(
    ("kind", "check"),
    [
        (_TooHigh, "total probability"),
        (_SumOfDraws, "total probability"),
        (_MinimumOfDraws, "more samples, tighter bound"),
        (_OwnZ, "sample_and_log_prob"),
        (_Silent, "says that it is a bound"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_the_audit_of_a_bound_finds_a_fault(kind: Any, check: str) -> None:
    torch.manual_seed(0)
    layer = VariationalDequantization([diffeo.integers(0, 4)], hidden=(16,))
    base = diffeo.NSF(1, supports=layer.domain.supports, layers=2, hidden=(16,), seed=0)
    assert check_flow(diffeo.SurjectiveFlow(base, layer), trace=False).ok
    report = check_flow(kind(base, layer), trace=False)
    assert check in {found.name for found in report.failed}, report
