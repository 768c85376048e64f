"""Independence Metropolis: proposals that know nothing of where the chain is."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from diffeo.density import Seed, as_generator
from diffeo.errors import DataError, ShapeError
from diffeo.inference.mcmc.chains import Chains

__all__ = ["independence_metropolis"]

# number of proposals to points (n, dim), target and proposal log-densities (n,)
Propose = Callable[[int], tuple[Tensor, Tensor, Tensor]]

MOST_AT_ONCE = 8192


def independence_metropolis(
    propose: Propose,
    *,
    chains: int = 64,
    warmup: int = 100,
    draws: int = 500,
    seed: Seed = None,
) -> Chains:
    """Draws from a log-density p with proposals from a fixed density q, such as a flow.

    A chain at x goes to a proposal y with probability min(1, w(y) / w(x)), w = p / q, else stays.
    No gradient is needed, and chains mix fast where q is close to p; where q has lighter tails than
    p they stick for long at points of large weight, which acceptance, R-hat and ESS tell.

    Args:
        propose: called with n, draws n points (n, dim) from q and returns them with log p (n,) and
            log q (n,), each up to a constant. Its randomness is its own: seed it as well. Points
            whose log-densities are NaN, or log p = -inf, are refused.
        chains: number of chains.
        warmup: proposals to each chain that are thrown away.
        draws: steps of each chain that are kept.
        seed: seed of the acceptances, or a generator on the device of the points.

    Raises:
        ValueError: no chain, no draws, or a negative warmup.
        ShapeError: proposals of another shape.
        DataError: log p - log q of +inf, or not one proposal to some chain that p could have
            produced.

    Reference: "Markov Chains for Exploring Posterior Distributions", Tierney, 1994,
    doi:10.1214/aos/1176325750 (independence chains); with flows: "Flow-based generative models for
    Markov chain Monte Carlo in lattice field theory", Albergo, Kanwar, Shanahan, 2019,
    arXiv:1904.12072.

    Example:
        >>> import torch
        >>> from diffeo.inference import independence_metropolis
        >>> generator = torch.Generator().manual_seed(0)
        >>> def propose(n):
        ...     x = 1.5 * torch.randn(n, 1, generator=generator)
        ...     return x, -(x**2).sum(-1) / 2, -((x / 1.5) ** 2).sum(-1) / 2
        >>> chains = independence_metropolis(propose, chains=8, draws=200, seed=0)
        >>> bool(chains.acceptance.mean() > 0.7)
        True
    """
    if chains < 1 or draws < 1 or warmup < 0:
        raise ValueError(
            f"chains and draws must be at least 1 and warmup at least 0, "
            f"got {chains}, {draws} and {warmup}"
        )
    rounds = warmup + draws
    points, log_p, log_q = _proposals(propose, chains * (rounds + 1))
    log_weights = (log_p - log_q).reshape(rounds + 1, chains)
    wrong = log_weights.isnan()
    log_weights = log_weights.masked_fill(wrong, -torch.inf)
    uniform = torch.rand(
        rounds,
        chains,
        dtype=log_weights.dtype,
        device=log_weights.device,
        generator=as_generator(seed, log_weights.device),
    )
    chosen, acceptance = _walk(log_weights, uniform)
    chosen = chosen[warmup:].T * chains + torch.arange(chains, device=chosen.device).unsqueeze(1)
    log_prob = log_p[chosen]
    stuck = ~log_weights.flatten()[chosen[:, 0]].isfinite()
    if stuck.any():
        raise DataError(
            f"{int(stuck.sum())} of {chains} chains got no proposal with any density under the "
            f"target in {warmup + 2} tries: the proposal misses it; fit it better, or raise warmup"
        )
    return Chains(
        draws=points[chosen],
        log_prob=log_prob,
        acceptance=acceptance[warmup:].mean(0),
        divergences=wrong[warmup + 1 :].sum(0),
    )


def _proposals(propose: Propose, count: int) -> tuple[Tensor, Tensor, Tensor]:
    parts = []
    for begin in range(0, count, MOST_AT_ONCE):
        rows = min(MOST_AT_ONCE, count - begin)
        points, log_p, log_q = propose(rows)
        shapes = [tuple(x.shape) for x in (points, log_p, log_q)]
        if points.ndim != 2 or len(points) != rows or shapes[1:] != [(rows,), (rows,)]:
            raise ShapeError(
                f"propose({rows}) must return points ({rows}, dim) with log p and log q "
                f"({rows},), but it gave the shapes {shapes}"
            )
        parts.append([points.detach(), log_p.detach(), log_q.detach()])
    points, log_p, log_q = (torch.cat(part) for part in zip(*parts, strict=True))
    high = log_p - log_q == torch.inf
    if high.any():
        row = int(high.nonzero()[0])
        raise DataError(
            f"{int(high.sum())} proposals have log p - log q = +inf, where a chain would stay for "
            f"ever: log p = {float(log_p[row])}, log q = {float(log_q[row])}"
        )
    return points, log_p, log_q


def _walk(log_weights: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
    """The round (rounds, chains) from which each state comes, and probabilities of acceptance.

    Args:
        log_weights: (rounds + 1, chains), the first being where the chains start.
        uniform: (rounds, chains).
    """
    current = torch.zeros_like(log_weights[0], dtype=torch.long)
    weight = log_weights[0]
    visited, probabilities = [], []
    for i, draw in enumerate(uniform, start=1):
        proposed = log_weights[i]
        # from a start without density any other is welcome; -inf - -inf is no number
        ratio = torch.where(weight == -torch.inf, torch.inf, proposed - weight)
        probability = torch.exp(ratio.clamp(max=0)) * (proposed > -torch.inf)
        taken = draw < probability
        current = torch.where(taken, i, current)
        weight = torch.where(taken, proposed, weight)
        visited.append(current)
        probabilities.append(probability)
    return torch.stack(visited), torch.stack(probabilities)
