"""Pareto-smoothed importance sampling: what importance weights are worth, and how to use them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from diffeo.arrays import ArrayLike, to_tensor
from diffeo.density import Seed, as_generator
from diffeo.errors import DataError, ShapeError

__all__ = ["SmoothedWeights", "elbo", "log_evidence", "psis", "resample"]

# a tail with fewer draws says nothing about its shape
LEAST_TAIL = 5
# weights that agree to this many nats are equal: what is left of their differences is rounding
EQUAL = 1e-8
# log of the smallest normal double: draws below it weigh nothing
NOTHING = math.log(torch.finfo(torch.float64).tiny)


@dataclass(frozen=True)
class SmoothedWeights:
    """Smoothed importance weights and their diagnostics.

    Attributes:
        log_weights: (n,), float64 on the CPU; their exponentials sum to one.
        khat: estimated shape k of the weights' tail; +inf where it cannot be estimated.
        ess: effective number of draws, 1 / sum w^2.
        log_evidence: log of the mean of the smoothed weights before they were normalised.
        note: why ``khat`` is not an estimate; empty where it is one.
    """

    log_weights: Tensor
    khat: float
    ess: float
    log_evidence: float
    note: str = ""


def psis(log_weights: ArrayLike) -> SmoothedWeights:
    """Pareto-smoothed importance weights and their k-hat.

    The largest M = min(n / 5, 3 sqrt(n)) weights are replaced by the expected order statistics of
    a generalised Pareto distribution fitted to them, and then cut at the largest raw weight. Its
    shape k says how many moments the weights have: below 0.5 their variance is finite; above 0.7
    no practical number of draws makes the estimate reliable, and the proposal must be improved.

    Mind the sign: these are log p(x) - log q(x), larger for more weight. Tools made for
    leave-one-out cross-validation take the negative log-likelihood in their place.

    Weights that are all equal, or whose whole tail is, are bounded: they stay as they are, with a
    ``khat`` of 0. A tail of fewer than five draws (n below 21) is not smoothed, with a ``khat`` of
    infinity. In both cases ``note`` says so.

    Args:
        log_weights: (n,), log p - log q of draws from q, p and q up to constants; -inf for a
            weight of zero.

    Raises:
        ShapeError: not a vector of at least one number.
        DataError: weights that are NaN or +inf, or that are all zero.

    Reference: "Pareto Smoothed Importance Sampling", Vehtari, Simpson, Gelman, Yao, Gabry, 2024,
    arXiv:1507.02646; "A New and Efficient Estimation Method for the Generalized Pareto
    Distribution", Zhang, Stephens, 2009, doi:10.1198/tech.2009.08017.

    Example:
        >>> import torch
        >>> from diffeo.inference import psis
        >>> x = 2 * torch.randn(2000, generator=torch.Generator().manual_seed(0))
        >>> weights = psis(-(x**2) / 2 + (x / 2) ** 2 / 2)  # a normal by one twice as wide
        >>> weights.khat < 0.5
        True
    """
    raw = _checked(log_weights)
    largest = raw.max()
    x, khat, note = _smoothed(raw - largest)
    total = torch.logsumexp(x, dim=0)
    x = x - total
    return SmoothedWeights(
        log_weights=x,
        khat=khat,
        # rounding may pass the number of draws
        ess=min(float(torch.exp(-torch.logsumexp(2 * x, dim=0))), float(len(x))),
        log_evidence=float(largest + total) - math.log(len(x)),
        note=note,
    )


def log_evidence(log_weights: ArrayLike) -> tuple[float, float]:
    """log Z = log E_q[p / q] by importance sampling, and its standard error.

    The estimate is log of the mean weight; its error, by the delta method, is sd(w) / (mean(w)
    sqrt(n)). The error is itself an estimate from the weights that were seen: believe it only where
    the k-hat of ``psis`` is below 0.7.

    Args:
        log_weights: (n,), log p - log q of draws from q, with q normalised.

    Raises:
        ShapeError, DataError: as ``psis``.

    Example:
        >>> import torch
        >>> from diffeo.inference import log_evidence
        >>> log_evidence(torch.full((100,), 2.5))
        (2.5, 0.0)
    """
    raw = _checked(log_weights)
    count, largest = len(raw), float(raw.max())
    weights = torch.exp(raw - largest)
    mean = float(weights.mean())
    error = float(weights.std()) / (mean * math.sqrt(count)) if count > 1 else math.inf
    return largest + math.log(mean), error


def elbo(log_weights: ArrayLike) -> tuple[float, float]:
    """The evidence lower bound E_q[log p - log q], and its standard error.

    It is -inf, with an infinite error, where a draw has no weight.

    Args:
        log_weights: (n,), log p - log q of draws from q, with q normalised.

    Raises:
        ShapeError, DataError: as ``psis``.

    Example:
        >>> import torch
        >>> from diffeo.inference import elbo
        >>> elbo(torch.tensor([1.0, 2.0, 3.0]))
        (2.0, 0.577...)
    """
    raw = _checked(log_weights)
    mean = float(raw.mean())
    if len(raw) < 2 or not math.isfinite(mean):
        return mean, math.inf
    return mean, float(raw.std()) / math.sqrt(len(raw))


def resample(log_weights: ArrayLike, n: int, seed: Seed = None, *, replace: bool = True) -> Tensor:
    """Indices of ``n`` draws chosen with probabilities in proportion to their weights.

    With replacement the chosen draws follow the target as far as the weights are right, and some
    repeat. Without, none repeats, and they follow the target only while ``n`` is far below the
    number of draws.

    Args:
        log_weights: (m,), smoothed or raw, normalised or not.
        n: how many.
        seed: seed, or generator on the CPU.
        replace: whether a draw may be chosen more than once.

    Returns:
        (n,), int64, on the CPU, in random order.

    Raises:
        ShapeError, DataError: as ``psis``.
        ValueError: ``n`` below 0, or without replacement more than there are draws of any weight.

    Example:
        >>> import torch
        >>> from diffeo.inference import resample
        >>> resample(torch.tensor([0.0, -torch.inf]), 3)
        tensor([0, 0, 0])
    """
    raw = _checked(log_weights)
    if n < 0:
        raise ValueError(f"the number of indices must be >= 0, got {n}")
    generator = as_generator(seed, raw.device)
    if replace:
        totals = torch.exp(raw - raw.max()).cumsum(0)
        uniform = torch.rand(n, dtype=raw.dtype, generator=generator)
        # rounding may reach the total, where no draw is left
        last = torch.searchsorted(totals, totals[-1])
        return torch.searchsorted(totals, uniform * totals[-1], right=True).clamp(max=last)
    weighty = int(torch.isfinite(raw).sum())
    if n > weighty:
        raise ValueError(
            f"{n} different draws were asked for, but only {weighty} of {len(raw)} have any "
            f"weight; ask for fewer, or pass replace=True"
        )
    # the order of log-weights with Gumbel noise is that of draws one after another
    uniform = torch.rand(len(raw), dtype=raw.dtype, generator=generator)
    gumbel = -torch.log(-torch.log(uniform.clamp(min=torch.finfo(raw.dtype).tiny)))
    return torch.topk(raw + gumbel, n).indices


def _checked(log_weights: ArrayLike) -> Tensor:
    x = to_tensor(log_weights, torch.empty(0, dtype=torch.float64), "log_weights", cast=True)
    if x.ndim != 1 or len(x) == 0:
        raise ShapeError(
            f"log_weights must be a vector (n,) of at least one number, got {tuple(x.shape)}"
        )
    wrong = torch.isnan(x) | (x == torch.inf)
    if wrong.any():
        row = int(wrong.nonzero()[0])
        raise DataError(
            f"log_weights must be finite or -inf, but row {row} of {len(x)} is {float(x[row])} "
            f"({int(wrong.sum())} such rows); look at log p and log q of that draw"
        )
    if not torch.isfinite(x).any():
        raise DataError(
            f"all {len(x)} log_weights are -inf: the proposal has no draw where the target has "
            f"any density"
        )
    return x


def _smoothed(x: Tensor) -> tuple[Tensor, float, str]:
    """Smoothed weights of ``x`` (n,), whose largest is 0; k-hat, and why it is no estimate."""
    order = torch.argsort(x, stable=True)
    tail = math.ceil(min(len(x) / 5, 3 * math.sqrt(len(x))))
    if tail < LEAST_TAIL:
        note = f"{len(x)} draws are too few to tell the tail of their weights: take at least 21"
        return x, math.inf, note
    cutoff = max(float(x[order[-tail - 1]]), NOTHING)
    if cutoff >= -EQUAL:
        return x, 0.0, "the largest weights are all equal: there is no tail to smooth"
    above = order[x[order] > cutoff]
    if len(above) < LEAST_TAIL:
        note = f"the tail holds {len(above)} draws, too few to tell its shape"
        return x, math.inf, note
    # in units of the weight at the cutoff, which keep the digits of weights far below the largest
    khat, scale = _pareto_fit(torch.expm1(x[above] - cutoff))
    if not math.isfinite(khat):
        return x, math.inf, "no generalised Pareto distribution fits the tail of the weights"
    ranks = (torch.arange(len(above), dtype=x.dtype) + 0.5) / len(above)
    fitted = torch.log1p(scale * _pareto_quantiles(ranks, khat)) + cutoff
    return x.index_copy(0, above, fitted.clamp(max=0.0)), khat, ""


def _pareto_fit(y: Tensor) -> tuple[float, float]:
    """Shape and scale of a generalised Pareto distribution, for increasing y (m,) above zero.

    The posterior mean of theta = -k / scale over a grid of quadrature points (Zhang and Stephens),
    then a weak prior that is worth ten draws at k = 1/2 (appendix C of Vehtari et al.).
    """
    count = len(y)
    points = 30 + int(math.sqrt(count))
    quartile = y[int(count / 4 + 0.5) - 1]
    grid = torch.arange(points, dtype=y.dtype) + 0.5
    theta = 1 / y[-1] + (1 - torch.sqrt(points / grid)) / (3 * quartile)
    # the limit of an exponential tail, where k and theta are both zero
    theta = torch.where(theta == 0, torch.finfo(y.dtype).eps / y[-1], theta)
    shape = torch.log1p(-theta.unsqueeze(1) * y).mean(1)
    profile = count * (torch.log(-theta / shape) - shape - 1)
    mean = (torch.softmax(profile, dim=0) * theta).sum()
    estimate = torch.log1p(-mean * y).mean()
    khat = (count * estimate + 10 * 0.5) / (count + 10)
    return float(khat), float(-estimate / mean)


def _pareto_quantiles(ranks: Tensor, khat: float) -> Tensor:
    """Quantiles at unit scale."""
    exponential = -torch.log1p(-ranks)
    if abs(khat) < torch.finfo(ranks.dtype).eps:
        return exponential
    return torch.expm1(khat * exponential) / khat
