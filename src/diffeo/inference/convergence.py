"""Whether Markov chains have mixed, and how many independent draws they are worth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from diffeo.arrays import ArrayLike, like_input, to_tensor
from diffeo.errors import ShapeError

__all__ = ["ess_bulk", "ess_tail", "rhat"]

LEAST_DRAWS = 4


def rhat(draws: ArrayLike) -> Any:
    """Split, rank-normalised R-hat: near 1 where all chains see the same distribution.

    Each chain is cut in half. The draws z are replaced by normal scores of their ranks, and

        R-hat = sqrt((B / W + n - 1) / n)

    compares the variance B of the half-chains' means, times their length n, with the mean W of
    their variances. The larger of the values for the draws and for their distance from the median
    is returned, so that chains which differ in scale alone are told as well. Accept chains below
    1.01.

    Args:
        draws: (chains, draws, dim), or (chains, draws) of one parameter; a single chain is
            compared with itself.

    Returns:
        (dim,), or a scalar; NaN for a parameter with a draw that is NaN, or whose draws are all
        equal, of which nothing can be said.

    Raises:
        ShapeError: another shape, no chain, or fewer than four draws.

    Reference: "Rank-Normalization, Folding, and Localization: An Improved R-hat for Assessing
    Convergence of MCMC", Vehtari, Gelman, Simpson, Carpenter, Buerkner, 2021, arXiv:1903.08008.

    Example:
        >>> import torch
        >>> from diffeo.inference import rhat
        >>> together = torch.randn(4, 1000, generator=torch.Generator().manual_seed(0))
        >>> bool(rhat(together) < 1.01)
        True
        >>> bool(rhat(together + torch.arange(4.0).unsqueeze(1)) < 1.01)
        False
    """
    return _by_parameter(draws, _rhat)


def ess_bulk(draws: ArrayLike) -> Any:
    """Effective number of draws for the centre of the distribution: means and medians.

    For N draws with autocorrelations rho_t, estimated from split chains of rank-normalised draws,

        ESS = N / (1 + 2 sum_t rho_t),

    the sum cut where pairs of neighbouring autocorrelations cease to be positive (Geyer). Wish for
    at least 100 for every chain. It passes N where draws are anti-correlated.

    Args:
        draws: (chains, draws, dim), or (chains, draws) of one parameter.

    Returns:
        (dim,), or a scalar; NaN for a parameter with a draw that is NaN, or whose draws are all
        equal.

    Raises:
        ShapeError: another shape, no chain, or fewer than four draws.

    Reference: as ``rhat``; "Practical Markov Chain Monte Carlo", Geyer, 1992,
    doi:10.1214/ss/1177011137.

    Example:
        >>> import torch
        >>> from diffeo.inference import ess_bulk
        >>> noise = torch.randn(4, 1000, 2, generator=torch.Generator().manual_seed(0))
        >>> slow = noise.cumsum(1)  # random walks
        >>> bool((ess_bulk(noise) > 3000).all()), bool((ess_bulk(slow) < 100).all())
        (True, True)
    """
    return _by_parameter(draws, lambda x: _ess(_scores(_split(x))))


def ess_tail(draws: ArrayLike) -> Any:
    """Effective number of draws for the tails: the smaller one of the 5 % and 95 % quantiles.

    That of a quantile is the effective number of the indicators of draws up to it.

    Args:
        draws: (chains, draws, dim), or (chains, draws) of one parameter.

    Returns:
        (dim,), or a scalar; NaN for a parameter with a draw that is NaN, or whose draws are all
        equal.

    Raises:
        ShapeError: another shape, no chain, or fewer than four draws.

    Reference: as ``rhat``.

    Example:
        >>> import torch
        >>> from diffeo.inference import ess_tail
        >>> noise = torch.randn(4, 1000, generator=torch.Generator().manual_seed(0))
        >>> bool(ess_tail(noise) > 2500)
        True
    """

    def smaller(x: Tensor) -> Tensor:
        pooled = x.flatten(1).sort().values
        each = [_ess(_split((x <= _quantile(pooled, p)).to(x.dtype))) for p in (0.05, 0.95)]
        return torch.minimum(*each)

    return _by_parameter(draws, smaller)


# In the rest x is (dim, chains, draws), float64.


def _by_parameter(draws: ArrayLike, statistic: Callable[[Tensor], Tensor]) -> Any:
    x = to_tensor(draws, torch.empty(0, dtype=torch.float64), "draws", cast=True)
    if x.ndim not in (2, 3) or x.shape[0] == 0 or x.shape[1] < LEAST_DRAWS:
        raise ShapeError(
            f"draws must be (chains, draws) or (chains, draws, dim) with at least one chain of "
            f"{LEAST_DRAWS} draws, got {tuple(x.shape)}"
        )
    parameters = x.movedim(-1, 0) if x.ndim == 3 else x.unsqueeze(0)
    flat = parameters.flatten(1)
    known = ~flat.isnan().any(1) & (flat != flat[:, :1]).any(1)
    result = torch.full_like(flat[:, 0], torch.nan)
    if known.any():
        result[known] = statistic(parameters[known])
    return like_input(result if x.ndim == 3 else result[0], draws)


def _split(x: Tensor) -> Tensor:
    """Halves of chains as chains; the middle one of an odd number of draws is left out."""
    half = x.shape[-1] // 2
    return torch.cat([x[..., :half], x[..., -half:]], dim=-2)


def _scores(x: Tensor) -> Tensor:
    """Normal scores of ranks among the draws of all chains; equal draws share their mean rank."""
    flat = x.flatten(1).contiguous()
    ordered = flat.sort().values
    below = torch.searchsorted(ordered, flat)
    up_to = torch.searchsorted(ordered, flat, right=True)
    ranks = (below + up_to + 1).to(x.dtype) / 2
    # Blom's offset
    return torch.special.ndtri((ranks - 3 / 8) / (flat.shape[1] + 1 / 4)).reshape(x.shape)


def _quantile(ordered: Tensor, probability: float) -> Tensor:
    """Of sorted values (dim, N), interpolated between neighbours: (dim, 1, 1)."""
    place = probability * (ordered.shape[1] - 1)
    low = int(place)
    high = min(low + 1, ordered.shape[1] - 1)
    value = torch.lerp(ordered[:, low], ordered[:, high], place - low)
    return value.reshape(-1, 1, 1)


def _rhat(x: Tensor) -> Tensor:
    halves = _split(x)
    ordered = halves.flatten(1).sort().values
    count = ordered.shape[1]
    median = (ordered[:, (count - 1) // 2] + ordered[:, count // 2]).reshape(-1, 1, 1) / 2
    # of draws with two values the distances may be all equal
    return torch.fmax(_plain_rhat(_scores(halves)), _plain_rhat(_scores((halves - median).abs())))


def _plain_rhat(x: Tensor) -> Tensor:
    draws = x.shape[-1]
    between = draws * x.mean(-1).var(-1)
    return torch.sqrt((between / x.var(-1).mean(-1) + draws - 1) / draws)


def _ess(x: Tensor) -> Tensor:
    count = x.shape[1] * x.shape[2]
    rho = _autocorrelations(x)
    # sums of neighbours, as far as there are any; the first begins with rho_0 = 1
    last = max((x.shape[2] - 1) // 2, 1)
    even, odd = rho[:, 0 : 2 * last : 2], rho[:, 1 : 2 * last : 2]
    pairs = even + odd
    # the first pair that is not positive, or else the last
    end = torch.cat([pairs > 0, torch.zeros_like(pairs[:, :1], dtype=torch.bool)], dim=1)
    stop = end.to(torch.int8).argmin(1).clamp(max=last - 1).unsqueeze(1)
    summed = torch.arange(last).to(stop) < stop
    total = torch.where(summed, torch.cummin(pairs, dim=1).values, 0.0).sum(1)
    # of the pair where it stops, the first half if that is positive
    edge = torch.where(pairs >= 0, even, even.clamp(min=0)).gather(1, stop).squeeze(1)
    # anti-correlated draws may bring the sum to zero
    tau = (2 * total - 1 + edge).clamp(min=1 / torch.tensor(float(count)).log10().item())
    constant = x.flatten(1).amax(1) - x.flatten(1).amin(1) < 1e-15
    return torch.where(constant, float(count), count / tau)


def _autocorrelations(x: Tensor) -> Tensor:
    """Of draws of all chains together, (dim, draws): what differs between chains counts as slow."""
    draws = x.shape[-1]
    centred = x - x.mean(-1, keepdim=True)
    # as long again, so that no draw meets one from the other end
    spectrum = torch.fft.rfft(centred, n=2 * draws)
    covariance = torch.fft.irfft(spectrum.abs().square(), n=2 * draws)[..., :draws] / draws
    within = covariance[..., 0].mean(-1) * draws / (draws - 1)
    total = within * (draws - 1) / draws
    if x.shape[1] > 1:
        total = total + x.mean(-1).var(-1)
    rho = 1 - (within.unsqueeze(-1) - covariance.mean(-2)) / total.unsqueeze(-1)
    return torch.cat([torch.ones_like(rho[:, :1]), rho[:, 1:]], dim=1)
