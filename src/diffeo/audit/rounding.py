"""The audit of a transform in float32, against what rounding makes unavoidable."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from diffeo.audit.calculus import EPS32, event_error, quantile
from diffeo.audit.points import nudged
from diffeo.audit.report import Finding
from diffeo.audit.shapes import Map
from diffeo.audit.subject import Subject

__all__ = ["single_precision", "single_round_trip"]


def single_precision(subject: Subject, tolerance: float) -> Finding:
    """Values and ladj in float32 against those in float64.

    Args:
        subject: the transform.
        tolerance: beyond 10 times the error that one rounding of the input makes.
    """
    results = []
    for name, single, x, _ in subject.directions(subject.single, 2000, like=torch.float32):
        exact: Map = subject.exact if name == "forward" else subject.exact.inverse
        support = subject.exact.domain if name == "forward" else subject.exact.codomain
        context = subject.context((2000,), torch.float32)
        wide = None if context is None else context.double()
        with torch.no_grad():
            found, expected = single(x, context), exact(support.nearest(x.double()), wide)
            moved = [exact(near, wide) for near in nudged(support, x, EPS32)]
        parts = zip(found, expected, *moved, strict=True)
        # in two precisions estimates draw other numbers
        for value, truth, *moves in list(parts)[: 1 if subject.noisy else None]:
            rows = (2000, -1)
            truth = truth.reshape(rows)
            error = event_error(value.double().reshape(rows), truth)
            # a nudge over the edge of the support says nothing
            moves = [torch.where(m.reshape(rows).isinf(), truth, m.reshape(rows)) for m in moves]
            floor = torch.stack([event_error(m, truth) for m in moves]).amax(0)
            results.append(_against_floor(error, floor, tolerance, name))
    return max(results, key=_excess)


def single_round_trip(subject: Subject, tolerance: float) -> Finding:
    """Round trips in float32 against those in float64 whose middle is rounded to float32.

    Args:
        subject: the transform.
        tolerance: beyond 10 times the error of the latter.
    """
    results = []
    for name, there, x, _ in subject.directions(subject.single, 2000, like=torch.float32):
        forward = name == "forward"
        back: Map = subject.single.inverse if forward else subject.single
        target = subject.exact.codomain if forward else subject.exact.domain
        source = subject.exact.domain if forward else subject.exact.codomain
        exact_there: Map = subject.exact if forward else subject.exact.inverse
        exact_back: Map = subject.exact.inverse if forward else subject.exact
        context = subject.context((2000,), torch.float32)
        wide = None if context is None else context.double()
        with torch.no_grad():
            again, _ = back(there(x, context)[0], context)
            rounded = exact_there(source.nearest(x.double()), wide)[0].float().double()
            least, _ = exact_back(target.nearest(rounded), wide)
        error = event_error(again.double(), x.double())
        results.append(_against_floor(error, event_error(least, x.double()), tolerance, name))
    return max(results, key=_excess)


def _against_floor(error: Tensor, floor: Tensor, tolerance: float, name: str) -> Finding:
    """The 99.9th percentile of an error against 10 times that of unavoidable rounding."""
    limit = tolerance + 10 * quantile(floor)
    return Finding(quantile(error), limit, f"{name}, 99.9th percentile")


def _excess(finding: Finding) -> float:
    excess = finding.measured / finding.tolerance
    return math.inf if math.isnan(excess) else excess
