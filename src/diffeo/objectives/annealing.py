"""Schedules of the inverse temperature."""

from __future__ import annotations

from diffeo.checks import check_count

__all__ = ["annealing"]


def annealing(step: int, steps: int = 10_000, start: float = 0.01) -> float:
    """The inverse temperature beta_t = min(1, start + t / steps), for ``reverse_kl(beta=)``.

    A target tempered at first, p^beta, has its modes connected, so that q finds all of them
    before it settles; from beta = 1 on the objective is the reverse KL itself.

    Args:
        step: t, from 0.
        steps: steps in which beta grows by 1.
        start: beta at the first step, in (0, 1].

    Returns:
        beta, in [start, 1].

    Raises:
        ValueError: a negative step, fewer than one step, or a start outside (0, 1].

    Reference: "Variational Inference with Normalizing Flows", Rezende, Mohamed, 2015,
    arXiv:1505.05770, section 6.1.

    Example:
        >>> from diffeo.objectives import annealing
        >>> annealing(0), annealing(5_000), annealing(20_000)
        (0.01, 0.51, 1.0)
    """
    check_count("steps", steps)
    if not step >= 0:
        raise ValueError(f"annealing: step must be >= 0, got {step!r}")
    if not 0 < start <= 1:
        raise ValueError(f"annealing: start must be in (0, 1], got {start!r}")
    return min(1.0, start + step / steps)
