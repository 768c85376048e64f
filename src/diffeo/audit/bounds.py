"""The checks of a density whose log_prob is a bound: a flow whose surjections draw."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from diffeo.audit.calculus import relative as relative_error
from diffeo.audit.copies import compiler
from diffeo.audit.densities import SAMPLES, DensityAudit
from diffeo.audit.integral import quadrature
from diffeo.audit.report import Finding, expect, problems
from diffeo.density import Density
from diffeo.supports import Discrete, Support, parts_of
from diffeo.transforms import Constrain

__all__ = ["BoundAudit"]

# independent estimates, from whose spread the error of their mean is known
REPLICATES = 16
# events, counted with their draws, of one estimate: first, and at most
DRAWS = 1_024, 8_192
# standard errors that chance may explain; weights are skewed, so more than a normal would need
ERRORS = 5.0
# an estimate that may err by more says only whether the bound is too high
LARGEST_TOLERANCE = 0.03
# the most values that discrete columns may take together for their probabilities to be added
MOST_VALUES = 64


class BoundAudit(DensityAudit):
    """What of the audit holds for a bound, and what holds for bounds alone.

    exp(log_prob(x, num_samples=k)) is an unbiased estimate of the probability, for every k.
    """

    def checks(self, trace: bool) -> dict[str, Callable[[], Finding]]:
        checks = super().checks(trace)
        # two precisions draw different noise; the integral's own proposals do not suit estimates
        for name in ("float32 log_prob", "integral"):
            checks.pop(name, None)
        checks["says that it is a bound"] = self.says_so
        checks["seeds of log_prob"] = self.noise_seeds
        checks["more samples, tighter bound"] = self.more_samples
        columns = self.columns()
        if columns and all(isinstance(s, Discrete) for s in columns):
            checks["frequencies of samples"] = self.frequencies
        if self._countable(columns):
            checks["total probability"] = self.total
        return checks

    def columns(self) -> list[Support]:
        """The supports, side by side, of a row of a table; none of other events."""
        return list(parts_of(self.exact.support, self.event[0])) if len(self.event) == 1 else []

    @staticmethod
    def _countable(columns: list[Support]) -> bool:
        """Whether all values of the discrete columns can be listed, beside at most one other."""
        counts = [len(_values(s)) for s in columns if isinstance(s, Discrete)]
        others = [s for s in columns if not isinstance(s, Discrete)]
        return (
            len(columns) > 0
            and all(counts)
            and math.prod(counts) <= MOST_VALUES
            and sum(s.free for s in others) <= 1
            and sum(s.columns for s in others) <= 1
        )

    def log_prob(self, density: Density, x: Tensor, context: Tensor | None) -> Tensor:
        return self._bound(density, x, context, seed=0)

    @staticmethod
    def _bound(density: Any, x: Tensor, context: Tensor | None, **options: Any) -> Tensor:
        result: Tensor = density.log_prob(x, context, **options)
        return result

    # what probabilities add up to

    @torch.no_grad()
    def _estimates(self, x: Tensor, context: Tensor | None, draws: int) -> Tensor:
        """Independent estimates (replicates, rows) of the densities at ``x`` (rows, *event)."""
        count = max(1, draws // len(x))
        return torch.stack(
            [
                self._bound(self.exact, x, context, num_samples=count, seed=seed).exp()
                for seed in range(REPLICATES)
            ]
        )

    def total(self) -> Finding:
        """Probabilities of all values of discrete columns, integrated over one that is not."""
        context = self.context()
        x, weights = self._grid(context)
        draws, limit = DRAWS
        while True:
            each = self._estimates(x, context, draws)
            # far out on a support the weights overflow, where nothing is left to weigh
            totals = torch.where(each > 0, each * weights, 0.0).sum(1)
            if _error(totals) <= LARGEST_TOLERANCE or draws >= limit:
                break
            draws *= 8
        if _error(totals) > LARGEST_TOLERANCE:
            # where few draws carry most of the weight, their mean is often low and never settles;
            # with a lid on each estimate it settles, and must not exceed what it should be
            totals = totals.clamp(max=2.0)
            excess = max(0.0, float(totals.mean()) - 1)
            return Finding(excess, _error(totals), "probabilities add up to more than 1")
        gap = abs(float(totals.mean()) - 1)
        return Finding(gap, _error(totals), f"probabilities add up to {float(totals.mean()):.4f}")

    def _grid(self, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """Events that stand for all, and the measure of what each stands for."""
        each, measures = [], []
        for i, support in enumerate(self.columns()):
            if isinstance(support, Discrete):
                points = torch.tensor(_values(support), dtype=torch.float64)
                measure = torch.ones_like(points)
            else:
                points, measure = self._nodes(i, support, context)
            each.append(points)
            measures.append(measure)
        x = torch.stack([torch.tensor(row) for row in itertools.product(*map(Tensor.tolist, each))])
        weight = [math.prod(row) for row in itertools.product(*map(Tensor.tolist, measures))]
        return x.double(), torch.tensor(weight, dtype=torch.float64)

    def _nodes(self, i: int, support: Support, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """Nodes and weights of a quadrature over column ``i``."""
        onto = Constrain([support])
        samples = self.exact.sample(SAMPLES, context, seed=0)[:, i : i + 1]
        nodes, weights = quadrature(onto.inverse(samples)[0])
        x, ladj = onto(nodes)
        return x[:, 0], weights * ladj.exp()

    @torch.no_grad()
    def frequencies(self) -> Finding:
        """Shares of the commonest values among samples, beside their probabilities."""
        context = self.context()
        drawn = self.exact.sample(5 * SAMPLES, context, seed=0)
        values, counts = drawn.unique(dim=0, return_counts=True)
        findings = []
        for row in counts.topk(min(8, len(counts))).indices.tolist():
            share = float(counts[row]) / len(drawn)
            each = self._estimates(values[row : row + 1], context, DRAWS[0] // 2)[:, 0]
            steady = _error(each) <= 0.25 * float(each.mean())
            each = each if steady else each.clamp(max=1.0)
            gap = float(each.mean()) - share
            error = ERRORS * math.sqrt(share * (1 - share) / len(drawn)) + _error(each)
            said = f"{share:.4f} of the samples, its probability {float(each.mean()):.4f}"
            detail = f"{values[row].tolist()} is {said}"
            findings.append(Finding(abs(gap) if steady else max(0.0, gap), error, detail))
        return max(findings, key=lambda finding: finding.measured / finding.tolerance)

    @torch.no_grad()
    def more_samples(self) -> Finding:
        """By how much 50 draws give less than one, on average over pairs."""
        x = self.exact.sample((50,), self.context(), seed=0)
        context = self.context(50)
        gains = torch.stack(
            [
                self._bound(self.exact, x, context, num_samples=50, seed=seed)
                - self._bound(self.exact, x, context, num_samples=1, seed=REPLICATES + seed)
                for seed in range(REPLICATES)
            ]
        )
        error = float(gains.mean(1).std()) / math.sqrt(REPLICATES)
        return Finding(
            max(0.0, -float(gains.mean())), ERRORS * error + 1e-9, "more draws give less"
        )

    # what replaces checks of exact densities

    @torch.no_grad()
    def sample_and_log_prob(self) -> Finding:
        """The log_prob of the samples is what ``log_prob`` gives on average."""
        context = self.context(3)
        gaps = []
        for seed in range(REPLICATES):
            x, log_prob = self.exact.sample_and_log_prob(100, context, seed=seed)
            if not torch.equal(x, self.exact.sample(100, context, seed=seed)):
                return problems(["sample and sample_and_log_prob differ at the same seed"])
            gaps.append((log_prob - self.exact.log_prob(x, context)).mean())
        gap = torch.stack(gaps)
        return Finding(abs(float(gap.mean())), _error(gap), "log_prob of the samples is another")

    @torch.no_grad()
    def context_broadcasts(self) -> Finding:
        x, context = self.points(5, 1), self.context(3)
        assert context is not None
        pair = x.expand(5, 3, *self.event).flatten(0, 1), context.expand(5, 3, -1).flatten(0, 1)
        log_prob = self.log_prob(self.exact, x, context)
        if tuple(log_prob.shape) != (5, 3):
            return problems([f"(5, 1) with contexts (3,) has shape {tuple(log_prob.shape)}"])
        error = relative_error(log_prob.flatten(), self.log_prob(self.exact, *pair))
        return Finding(float(error.max()), self.tolerance, "broadcasting changes values")

    def score(self) -> Finding:
        x, context = self.points(5), self.context(5)
        return problems(expect(TypeError, lambda: self.exact.score(x, context), "score of a bound"))

    def compile(self) -> Finding:
        x, context = self.points(4), self.context(4)
        with compiler() as compiled:
            torch.manual_seed(0)
            plain = self._bound(self.exact, x, context)
            torch.manual_seed(0)
            traced = compiled(self.exact.log_prob)(x, context)
        same = torch.allclose(plain, traced)
        return problems([] if same else ["the traced log_prob gives other numbers"])

    # what bounds alone promise

    def says_so(self) -> Finding:
        said = "log_prob: bound" in repr(self.exact)
        return problems([] if said else ["its repr does not say 'log_prob: bound'"])

    def noise_seeds(self) -> Finding:
        x, context = self.points(6), self.context(6)
        found = []
        for count in (1, 3):
            first, again, other = (
                self._bound(self.exact, x, context, num_samples=count, seed=seed)
                for seed in (1, torch.Generator().manual_seed(1), 2)
            )
            if not torch.equal(first, again):
                found.append(f"{count} draws: a generator gives another log_prob than its seed")
            if torch.equal(first, other):
                found.append(f"{count} draws: another seed gives the same log_prob")
            call = partial(self._bound, self.exact, x, context, num_samples=count - 1.5)
            found += expect(ValueError, call, f"num_samples={count - 1.5}")
        return problems(found)


def _error(estimates: Tensor) -> float:
    """What the mean of independent estimates may err."""
    return ERRORS * float(estimates.std()) / math.sqrt(len(estimates)) + 1e-3


def _values(support: Discrete) -> list[float]:
    """All values of a bounded support; none of an unbounded one."""
    if support.low is None or support.high is None:
        return []
    return [float(value) for value in range(support.low, support.high + 1)]
