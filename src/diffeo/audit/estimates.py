"""What can be said of a log-density or log-determinant that is an unbiased estimate."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from diffeo.audit.densities import DensityAudit
from diffeo.audit.report import Finding
from diffeo.flow import Flow

__all__ = ["ROWS", "EstimateAudit", "Seeded", "is_noisy", "unbiased"]

# independent estimates of each row, and standard errors that their mean may be off
REPLICATES, ERRORS = 2000, 5.0
# whose mean is taken
ROWS = 4


def is_noisy(estimate: Callable[[], Tensor]) -> bool:
    """Whether two estimates of the same rows differ: in evaluation some become exact."""
    with torch.no_grad():
        return not torch.equal(estimate(), estimate())


def unbiased(
    estimate: Callable[[Tensor, Tensor | None], Tensor],
    x: Tensor,
    context: Tensor | None,
    expected: Tensor,
    tolerance: float,
) -> Finding:
    """By how many standard errors the mean of many estimates is off, beyond a tolerance.

    Args:
        estimate: of rows and their contexts, each row with noise of its own.
        x: (rows, *event).
        context: (rows, width).
        expected: (rows,).
        tolerance: of the mean, relative to 1 + magnitude.
    """

    def repeated(rows: Tensor) -> Tensor:
        return rows.repeat(REPLICATES, *(1,) * (rows.ndim - 1))

    with torch.no_grad():
        each = estimate(repeated(x), None if context is None else repeated(context))
    each = each.reshape(REPLICATES, len(x))
    spread = each.std(0)
    mean = each.mean(0)
    off = (mean - expected).abs() - tolerance * (1 + expected.abs())
    error = off.clamp(min=0) / (spread / math.sqrt(REPLICATES) + torch.finfo(off.dtype).tiny)
    row = int(error.nan_to_num(torch.inf).argmax())
    detail = (
        f"{float(mean[row]):.6g} on average, autograd gives {float(expected[row]):.6g}; standard "
        f"deviation of one estimate {float(spread[row]):.2g}"
    )
    return Finding(float(error[row]), ERRORS, detail)


@contextmanager
def _same_noise() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


class Seeded(nn.Module):
    """A transform whose estimates draw the same noise at every call.

    Args:
        inner: the transform; of all else it is asked in place of this module.
    """

    inner: Any

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("inner"), name)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Any:
        with _same_noise():
            return self.inner(x, context)

    def inverse(self, y: Tensor, context: Tensor | None = None) -> Any:
        with _same_noise():
            return self.inner.inverse(y, context)


class EstimateAudit(DensityAudit):
    """What of the audit holds for unbiased estimates of a log-density."""

    def checks(self, trace: bool) -> dict[str, Callable[[], Finding]]:
        checks = super().checks(trace)
        # these compare calls in which the noise of a row is another
        for name in ("sample_and_log_prob", "context", "score", "float32 log_prob"):
            checks.pop(name, None)
        if isinstance(self.exact, Flow):
            checks["log_prob against autograd"] = self.unbiased
        return checks

    def log_prob(self, density: Any, x: Tensor, context: Tensor | None) -> Tensor:
        with _same_noise():
            return super().log_prob(density, x, context)

    def unbiased(self) -> Finding:
        """The mean of estimates against base and autograd."""
        assert isinstance(self.exact, Flow)
        x, context = self.points(ROWS), self.context(ROWS)
        expected = self.by_autograd(x, context)
        return unbiased(self.exact.log_prob, x, context, expected, self.tolerance)
