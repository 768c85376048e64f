"""The audit of a density: a flow, a base, a mixture, a flow with surjections."""

from __future__ import annotations

from typing import Any

import torch

from diffeo.audit.bounds import BoundAudit
from diffeo.audit.densities import DensityAudit
from diffeo.audit.estimates import EstimateAudit, is_noisy
from diffeo.audit.report import Report, run_checks
from diffeo.density import Density

__all__ = ["check_flow"]


def check_flow(
    flow: Density,
    *,
    batch: int = 64,
    seed: int = 0,
    tolerance: float = 1e-8,
    single_tolerance: float = 1e-4,
    trace: bool = True,
) -> Report:
    """Compare a density (a flow, a base, a mixture) with what its contract promises.

    Its log_prob is compared with base and autograd (flows), with sample_and_log_prob, with float32
    and, in one and two dimensions, with an integral of 1; then shapes, context, errors, seeds,
    gradients, the outside of the support, saving and tracing. The audit works on copies, on the
    CPU, in evaluation mode; the density and torch's random state stay as they are. A fresh flow
    is often its base, where little can be wrong: audit a fitted one, or
    ``diffeo.audit.perturbed(flow)``.

    Where log_prob is a bound, its values are those of a seed; the probabilities of few discrete
    values must add up to 1, be the frequencies of samples, and the bound not sink with more draws,
    all within the error of their estimates. Where it is an estimate, the mean of 2,000 must be what
    autograd gives, to within five standard errors.

    Args:
        flow: any density.
        batch: points at which Jacobians are taken.
        seed: decides the points.
        tolerance: of log_prob in float64, relative to 1 + magnitude.
        single_tolerance: of float32, beyond 10 times the error that one rounding of the input
            makes.
        trace: whether to trace log_prob where the density declares ``compiles``.

    Returns:
        A report that prints as a table and can raise.

    Example:
        >>> import diffeo
        >>> diffeo.audit.check_flow(diffeo.RealNVP(features=2)).raise_if_failed()
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        audit = _audit_of(flow, batch, tolerance, single_tolerance)
        return run_checks(type(flow).__name__, audit.checks(trace))


def _audit_of(flow: Density, *options: Any) -> DensityAudit:
    if flow.exactness == "bound":
        return BoundAudit(flow, *options)
    audit = DensityAudit(flow, *options)
    if flow.exactness == "estimate":
        x, context = audit.points(2), audit.context(2)
        if is_noisy(lambda: audit.exact.log_prob(x, context)):
            return EstimateAudit(flow, *options)
    return audit
