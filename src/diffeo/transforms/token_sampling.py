"""Sampling of the tokens of a causal network: one after another, or a window at a time.

Reference: "Accelerating Feedforward Computation via Parallel Nonlinear Equation Solving", Song,
Meng, Liao, Ermon, 2020, arXiv:2002.03629; "Accelerating TarFlow Sampling with GS-Jacobi
Iteration", Liu, Qin, 2025, arXiv:2505.12849.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from diffeo.nets.attention import KeyValueCache

__all__ = ["Move", "by_windows", "one_by_one"]

# from the tokens before n positions, the noise of these positions and the cache of the network to
# the n tokens and their log-derivatives, both (rows, n, width)
Move = Callable[[Tensor, Tensor, KeyValueCache], tuple[Tensor, Tensor]]


def one_by_one(move: Move, noise: Tensor, *, reuse: bool) -> tuple[Tensor, Tensor]:
    """Every token from those before it; about the arithmetic of one pass over all of them.

    Args:
        move: makes tokens of noise.
        noise: (rows, T, width).
        reuse: whether the cache may write into one place (no gradients, no tracing).

    Returns:
        The tokens (rows, T, width), and ladj (rows,).
    """
    cache = KeyValueCache(noise.shape[1], reuse=reuse)
    found, dlogs = [torch.zeros_like(noise[:, :1])], []
    for each in noise.split(1, dim=1):
        token, dlog = move(found[-1], each, cache)
        cache.length += 1
        found.append(token)
        dlogs.append(dlog)
    return torch.cat(found[1:], dim=1), torch.cat(dlogs, dim=1).flatten(1).sum(1)


def by_windows(move: Move, noise: Tensor, window: int) -> tuple[Tensor, Tensor]:
    """Jacobi iteration inside a window of tokens that slides on over those that are final.

    All tokens of the window are computed from what the last iteration made of those before them.
    The first is then final, for all before it are, and so is every next one for as long as the
    tokens before it stayed the same to a few roundings. So T iterations would always do, in which
    case it is what ``one_by_one`` gives, and the values are the same to rounding in any case. (A
    window that waits until all its tokens are final, and is followed by the next one, is block
    Gauss-Seidel-Jacobi; sliding on takes no more iterations.)

    Args:
        move: makes tokens of noise.
        noise: (rows, T, width).
        window: number of tokens in the window.

    Returns:
        As ``one_by_one``, without gradient.
    """
    tokens = noise.shape[1]
    cache = KeyValueCache(tokens, reuse=True)
    # one token of zeros before the first; noise is where a fresh layer would leave it
    found = F.pad(noise, (0, 0, 1, 0))
    dlogs = torch.empty_like(noise)
    while cache.length < tokens:
        start, end = cache.length, min(cache.length + window, tokens)
        new, dlogs[:, start:end] = move(found[:, start:end], noise[:, start:end], cache)
        cache.length += _final(new, found[:, start + 1 : end + 1])
        found[:, start + 1 : end + 1] = new
    return found[:, 1:], dlogs.flatten(1).sum(1)


def _final(new: Tensor, old: Tensor) -> int:
    """How many tokens of a window are final, after an iteration from ``old`` to ``new``."""
    close = 4 * torch.finfo(new.dtype).eps * (1 + new.abs())
    # a number that is not finite never stays the same, so only its own position gets past it
    same = ((new - old).abs() <= close).transpose(0, 1).flatten(1).all(1)
    return 1 + int(same[:-1].cumprod(0).sum())
