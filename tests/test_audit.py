"""The audit catches planted defects, names them, and leaves what it audits alone."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

import diffeo
from diffeo.audit import Check, Report, check_flow, check_transform, perturbed
from diffeo.bases import StandardNormal
from diffeo.density import Density
from diffeo.draw import Draw
from diffeo.errors import AuditError
from diffeo.transform import Transform
from diffeo.transforms import Coupling, Elementwise
from diffeo.univariates import Affine, RationalQuadraticSpline

Pair = tuple[Tensor, Tensor]


class Scaled(Transform):
    """A user's transform that is right: y = x exp(s)."""

    def __init__(self, features: int = 3) -> None:
        super().__init__((features,))
        self.log_scale = nn.Parameter(torch.linspace(-0.5, 0.7, features))

    def _check(self, x: Tensor) -> None:
        if x.ndim < 1 or x.shape[-1:] != self.log_scale.shape:
            raise diffeo.errors.ShapeError(f"events of shape {tuple(self.log_scale.shape)}, please")

    def forward(self, x: Tensor, context: Tensor | None = None) -> Pair:
        self._check(x)
        return x * self.log_scale.exp(), self.log_scale.sum().expand(x.shape[:-1])

    def inverse(self, y: Tensor, context: Tensor | None = None) -> Pair:
        self._check(y)
        return y * (-self.log_scale).exp(), -self.log_scale.sum().expand(y.shape[:-1])


class WrongSignInInverse(Scaled):
    def inverse(self, y: Tensor, context: Tensor | None = None) -> Pair:
        x, ladj = super().inverse(y)
        return x, -ladj


class WrongSignInForward(Scaled):
    def forward(self, x: Tensor, context: Tensor | None = None) -> Pair:
        y, ladj = super().forward(x)
        return y, -ladj


class NoRoundTrip(Scaled):
    def inverse(self, y: Tensor, context: Tensor | None = None) -> Pair:
        x, ladj = super().inverse(y)
        return x + 1e-6, ladj


class ScalarLadj(Scaled):
    def forward(self, x: Tensor, context: Tensor | None = None) -> Pair:
        y, _ = super().forward(x)
        return y, self.log_scale.sum()


class UncheckedShapes(Scaled):
    def _check(self, x: Tensor) -> None:
        pass


class SinglePrecisionLadj(Scaled):
    def forward(self, x: Tensor, context: Tensor | None = None) -> Pair:
        y, ladj = super().forward(x)
        return y, ladj.float()


class MixedRows(Scaled):
    def forward(self, x: Tensor, context: Tensor | None = None) -> Pair:
        y, ladj = super().forward(x)
        return y + (x.mean() if x.numel() else 0), ladj


class BranchesOnValues(Scaled):
    def forward(self, x: Tensor, context: Tensor | None = None) -> Pair:
        if x.sum() > 1e9:
            raise ArithmeticError
        return super().forward(x)


class NaNGradient(Scaled):
    def forward(self, x: Tensor, context: Tensor | None = None) -> Pair:
        y, ladj = super().forward(x)
        # the masked branch overflows far out, and its gradient is 0 * inf
        return torch.where(x < 50, y, y + 0 * x.exp().clamp(max=0)), ladj


class HiddenState(Scaled):
    def __init__(self, features: int = 3) -> None:
        super().__init__(features)
        self.secret = torch.randn(())

    def forward(self, x: Tensor, context: Tensor | None = None) -> Pair:
        y, ladj = super().forward(x)
        return y + self.secret.to(y), ladj

    def inverse(self, y: Tensor, context: Tensor | None = None) -> Pair:
        return super().inverse(y - self.secret.to(y))


class Raises(Scaled):
    def inverse(self, y: Tensor, context: Tensor | None = None) -> Pair:
        raise NotImplementedError("no inverse yet")


class Noisy(Scaled):
    """A ladj with noise, and perhaps a bias."""

    exactness = "estimate"
    bias = 0.0

    def _estimate(self, ladj: Tensor, sign: int) -> Tensor:
        return ladj + sign * (self.bias + 0.5 * torch.randn_like(ladj))

    def forward(self, x: Tensor, context: Tensor | None = None) -> Pair:
        y, ladj = super().forward(x)
        return y, self._estimate(ladj, 1)

    def inverse(self, y: Tensor, context: Tensor | None = None) -> Pair:
        x, ladj = super().inverse(y)
        return x, self._estimate(ladj, -1)


class Biased(Noisy):
    bias = 0.1


class NoisyButDeclaredExact(Noisy):
    exactness = "exact"


def _failures(report: Report) -> set[str]:
    return {check.name for check in report.failed}


def test_a_right_transform_of_a_user_passes() -> None:
    report = check_transform(Scaled())
    assert report.ok, report


def test_an_unbiased_estimate_of_a_ladj_passes_and_its_spread_is_reported() -> None:
    report = check_transform(Noisy(), trace=False)
    assert report.ok, report
    assert "standard deviation of one estimate 0.5" in report["forward ladj"].detail
    flow = diffeo.Flow(StandardNormal(3), Noisy())
    assert check_flow(flow, trace=False).ok
    report = check_flow(diffeo.Flow(StandardNormal(3), Biased()), trace=False)
    assert _failures(report) == {"log_prob against autograd"}


@pytest.mark.parametrize(
    ("cls", "names"),
    [
        (WrongSignInInverse, {"inverse ladj", "ladj of both directions"}),
        (WrongSignInForward, {"forward ladj", "ladj of both directions"}),
        (NoRoundTrip, {"round trip of inputs", "round trip of outputs"}),
        (ScalarLadj, {"batch shapes"}),
        (UncheckedShapes, {"event shape errors"}),
        (SinglePrecisionLadj, {"batch shapes"}),
        (MixedRows, {"rows are independent", "NaN stays in its row"}),
        (BranchesOnValues, {"torch.compile"}),
        (NaNGradient, {"gradients far out"}),
        (HiddenState, {"rebuilt from its description"}),
        (Raises, {"inverse ladj", "round trip of inputs"}),
        (Biased, {"forward ladj", "inverse ladj"}),
        (NoisyButDeclaredExact, {"forward ladj", "ladj of both directions"}),
    ],
)
def test_planted_defects_are_named(cls: type[Scaled], names: set[str]) -> None:
    report = check_transform(cls(), trace=cls is BranchesOnValues)
    assert names <= _failures(report), report
    with pytest.raises(AuditError, match="FAILED"):
        report.raise_if_failed()


def test_one_wrong_sign_in_a_copy_of_a_coupling() -> None:
    class FlippedCoupling(Coupling):
        def inverse(self, y: Tensor, context: Tensor | None = None) -> Pair:
            x, ladj = super().inverse(y, context)
            return x, -ladj

    layer = perturbed(FlippedCoupling(3, Affine(), context=2, hidden=(16, 16)))
    failures = _failures(check_transform(layer, trace=False))
    assert failures == {"inverse ladj", "ladj of both directions"}


def test_a_start_away_from_the_identity_is_caught_where_the_identity_is_declared() -> None:
    report = check_transform(Scaled(), identity=True, trace=False)
    assert _failures(report) == {"identity"}


def test_an_exception_becomes_a_readable_row() -> None:
    report = check_transform(Raises(), trace=False)
    assert report["inverse ladj"].detail == "NotImplementedError: no inverse yet"
    assert math.isnan(report["inverse ladj"].measured)


class OffBy(StandardNormal):
    """A normal density that is too high by a share."""

    def __init__(self, features: int, share: float) -> None:
        super().__init__(features)
        self.share = share

    def _log_prob(self, x: Tensor, context: Tensor | None) -> Tensor:
        return super()._log_prob(x, context) + math.log1p(self.share)


@pytest.mark.parametrize("features", [1, 2])
@pytest.mark.parametrize("share", [0.03, -0.03])
def test_a_density_off_by_three_percent_is_caught(features: int, share: float) -> None:
    report = check_flow(OffBy(features, share), trace=False)
    assert _failures(report) == {"integral"}
    assert report["integral"].measured == pytest.approx(0.03, abs=0.015)


def test_a_right_density_integrates_to_one() -> None:
    assert check_flow(OffBy(2, 0.0), trace=False).ok


class WrongSampleDensity(StandardNormal):
    """As torchflows 1.2.1: the log-density that comes with samples has a wrong term."""

    def _rsample_and_log_prob(self, draw: Draw) -> Pair:
        x, log_prob = super()._rsample_and_log_prob(draw)
        return x, -log_prob


class NaNOutside(StandardNormal):
    def _log_prob(self, x: Tensor, context: Tensor | None) -> Tensor:
        return super()._log_prob(x, context) + 0 * x.sum(-1)


class SameNoise(StandardNormal):
    def _rsample(self, draw: Draw) -> Tensor:
        return super()._rsample(replace(draw, generator=torch.Generator().manual_seed(0)))


class NoGradient(diffeo.bases.DiagonalNormal):
    def _rsample(self, draw: Draw) -> Tensor:
        return super()._rsample(draw).detach()


class FixedDtype(StandardNormal):
    """As normflows 1.7.3: ``double()`` does not reach a plain tensor."""

    def __init__(self, features: int) -> None:
        super().__init__(features)
        self.loc = torch.zeros(features)

    def _rsample(self, draw: Draw) -> Tensor:
        return super()._rsample(draw).to(self.loc) + self.loc


@pytest.mark.parametrize(
    ("density", "name"),
    [
        (WrongSampleDensity(3), "sample_and_log_prob"),
        (NaNOutside(3), "outside the support"),
        (SameNoise(3), "seeds"),
        (NoGradient(3, learned=True), "rsample"),
        (FixedDtype(3), "sample shapes"),
    ],
    ids=lambda v: type(v).__name__ if isinstance(v, Density) else "",
)
def test_planted_defects_of_densities_are_named(density: Density, name: str) -> None:
    assert name in _failures(check_flow(density, trace=False))


def test_a_flow_whose_log_prob_forgets_the_log_det() -> None:
    class Forgetful(diffeo.Flow):
        def _log_prob(self, x: Tensor, context: Tensor | None) -> Tensor:
            return self.base._log_prob(self.transform.inverse(x, context)[0], context)

    flow = Forgetful(StandardNormal(2), Scaled(2))
    failures = _failures(check_flow(flow, trace=False))
    assert {"log_prob against autograd", "sample_and_log_prob", "integral"} <= failures


def test_the_audit_leaves_everything_as_it_was() -> None:
    flow = diffeo.NSF(2, hidden=(16, 16), layers=1).train()
    before = copy.deepcopy(flow.state_dict())
    state = torch.get_rng_state()
    check_flow(flow, trace=False)
    check_transform(flow.transform, trace=False)
    assert flow.training
    assert torch.equal(state, torch.get_rng_state())
    assert all(p.grad is None and p.dtype == torch.float32 for p in flow.parameters())
    assert all(torch.equal(before[k], v) for k, v in flow.state_dict().items())


def test_the_same_seed_gives_the_same_report() -> None:
    layer = perturbed(Elementwise(2, RationalQuadraticSpline()))
    first, again = (check_transform(layer, seed=3, trace=False) for _ in range(2))
    assert str(first) == str(again)
    assert str(first) != str(check_transform(layer, seed=4, trace=False))


def test_a_report_reads_as_a_table() -> None:
    report = Report("Thing", (Check("good", 1e-12, 1e-8), Check("bad", 2.0, 1e-8, "too large")))
    lines = str(report).splitlines()
    assert lines[0] == "audit of Thing: 1 of 2 checks passed"
    assert lines[2].split() == ["good", "ok", "1e-12", "1e-08"]
    assert lines[3].split() == ["bad", "FAILED", "2", "1e-08", "too", "large"]
    assert not report.ok
    assert [check.name for check in report.failed] == ["bad"]
    with pytest.raises(KeyError):
        report["missing"]


def test_a_nan_never_passes() -> None:
    assert not Check("x", math.nan, 1.0).ok
    assert Check("x", 1.0, 1.0).ok
