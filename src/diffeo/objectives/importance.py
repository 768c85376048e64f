"""Objectives from importance weights p / q: forward KL and the importance-weighted bound."""

from __future__ import annotations

import math
import typing
from typing import Literal

import torch
from torch import Tensor

from diffeo.checks import check_count
from diffeo.density import Density, Seed
from diffeo.errors import ShapeError
from diffeo.objectives.draws import draw
from diffeo.objectives.target import LogDensity, check_density, target_values

__all__ = ["Doubly", "forward_kl", "iwae"]

Doubly = Literal["standard", "doubly"]


def forward_kl(
    density: Density,
    target: LogDensity,
    n: int = 256,
    *,
    proposal: Density | None = None,
    context: Tensor | None = None,
    seed: Seed = None,
) -> Tensor:
    """Cross entropy -sum_i w_i log q(x_i) of p and q, by self-normalised importance weights.

    x_1 ... x_n are draws from a proposal r (by default q itself), w = softmax(log p - log r), and
    neither carries a gradient. The loss estimates KL(p || q) plus the entropy of p. It makes q
    cover all of p, as far as r sees p.

    - Bias: of order 1/n, by the normalisation of the weights; consistent.
    - Variance: of order E_r[(p / r)^2] / n: large, or infinite, where r has lighter tails than p.
      At q = p it remains that of maximum likelihood from n draws.
    - Cost: n values of the target without gradient, one pass to draw, one inverse pass.

    Args:
        density: q; its draws need not carry gradients.
        target: unnormalised log p, from (n, *event_shape) to (n,); with context, from
            (n, *context_batch, *event_shape) to (n, *context_batch). It is evaluated without
            gradient, so parameters of its own get none.
        n: number of draws, for each context.
        proposal: r, on the events of q; it reads the context of q or none.
        context: (*context_batch, context); the loss is the mean over contexts.
        seed: of the draws.

    Returns:
        A scalar, in nats. Draws at which the target is -inf have no weight; NaN where it is -inf
        at all draws, or NaN or +inf at one.

    Raises:
        ShapeError: a target whose values have another shape, or a proposal with other events.
        TypeError: a ``log_prob`` that is a bound.
        ValueError: ``n`` below 1.
        ContextError: a missing context, or one of another width.

    Reference: "Reweighted Wake-Sleep", Bornschein, Bengio, 2014, arXiv:1406.2751.

    Example:
        >>> import torch, diffeo
        >>> from diffeo.objectives import forward_kl
        >>> flow = diffeo.RealNVP(features=2, seed=0)
        >>> wide = diffeo.bases.DiagonalNormal(2, scale=3.0)
        >>> loss = forward_kl(flow, lambda x: -x.square().sum(-1) / 2, 64, proposal=wide, seed=0)
        >>> loss.backward()
    """
    source = density if proposal is None else proposal
    for each in (density, source):
        check_density("forward_kl", each)
    count = check_count("n", n)
    if source.event_shape != density.event_shape:
        raise ShapeError(
            f"forward_kl: the proposal has events of shape {source.event_shape}, "
            f"the density of shape {density.event_shape}"
        )
    given = density._check_context(context)
    # a proposal that ignores the context is drawn from for each all the same
    contexts = () if given is None or source.context else tuple(given.shape[:-1])
    with torch.no_grad():
        x, log_r = source.sample_and_log_prob((count, *contexts), given, seed=seed)
        weights = torch.softmax(target_values(target, x, density) - log_r, dim=0)
    log_q: Tensor = density.log_prob(x, given)
    # a draw without weight may lie where q is 0 as well
    return -(weights * torch.where(weights > 0, log_q, 0.0)).sum(0).mean()


def iwae(
    density: Density,
    target: LogDensity,
    n: int = 32,
    particles: int = 8,
    *,
    gradient: Doubly = "standard",
    context: Tensor | None = None,
    seed: Seed = None,
) -> Tensor:
    """Mean of -log (1/K sum_k p(x_k) / q(x_k)), K draws x_k from q: the negative IWAE bound.

    The bound L_K lies between the ELBO (K = 1) and log Z, rises with K and reaches log Z as K
    grows, at a gap of order 1/K where the weights have a variance.

    - "standard": the whole gradient. Unbiased for L_K; its signal-to-noise ratio falls as
      K^(-1/2). One forward pass.
    - "doubly": the score is dropped and its contribution reparameterised once more, which gives
      sum_k w_k^2 grad_x (log p - log q) dx/dparameters, w the normalised weights. Unbiased for
      L_K; its variance is 0 at q = p, and its signal-to-noise ratio rises as K^(1/2). One forward
      and one inverse pass.

    Each costs n K values of the target with gradient.

    Args:
        density: q, whose draws carry gradients.
        target: unnormalised log p, from (n K, *event_shape) to (n K,), differentiable; with
            context, from (n K, *context_batch, *event_shape) to (n K, *context_batch). Parameters
            of its own get the gradient of L_K under either estimator.
        n: number of bounds that are averaged, for each context.
        particles: K, draws of each bound.
        gradient: estimator of the gradient to q.
        context: (*context_batch, context); the loss is the mean over contexts.
        seed: of the draws.

    Returns:
        A scalar, in nats: +inf (with a gradient of NaN) where the target is -inf at all particles
        of a bound, NaN where it is NaN at one.

    Raises:
        ShapeError: a target whose values have another shape.
        TypeError: draws that cannot be reparameterised, a ``log_prob`` that is a bound, or a
            target without gradient.
        ValueError: ``n``, ``particles`` or ``gradient`` out of range.
        ContextError: a missing context, or one of another width.

    Reference: "Importance Weighted Autoencoders", Burda, Grosse, Salakhutdinov, 2015,
    arXiv:1509.00519; doubly: "Doubly Reparameterized Gradient Estimators for Monte Carlo
    Objectives", Tucker, Lawson, Gu, Maddison, 2018, arXiv:1810.04152; signal and noise: "Tighter
    Variational Bounds are Not Necessarily Better", Rainforth, Kosiorek, Le, Maddison, Igl, Wood,
    Teh, 2018, arXiv:1802.04537.

    Example:
        >>> import torch, diffeo
        >>> from diffeo.objectives import iwae
        >>> flow = diffeo.RealNVP(features=2, seed=0)
        >>> loss = iwae(flow, lambda x: -(x - 1).square().sum(-1), gradient="doubly", seed=0)
        >>> loss.backward()
    """
    check_density("iwae", density)
    outer, inner = check_count("n", n), check_count("particles", particles)
    if gradient not in typing.get_args(Doubly):
        raise ValueError(f"gradient must be one of {typing.get_args(Doubly)}, got {gradient!r}")
    doubly = gradient == "doubly"
    x, log_q = draw(density, outer * inner, context, seed, "sticking" if doubly else "standard")
    log_w = (target_values(target, x, density) - log_q).unflatten(0, (inner, outer))
    if doubly and x.requires_grad:
        _weigh_gradient(x, torch.softmax(log_w.detach(), dim=0).flatten(0, 1))
    return math.log(inner) - torch.logsumexp(log_w, dim=0).mean()


def _weigh_gradient(x: Tensor, weights: Tensor) -> None:
    """Multiply the gradient that reaches each row of ``x`` by its weight.

    The bound's own derivative brings one factor of the weight. What passes through x, and that
    alone, is to have two: parameters of the target keep one.
    """
    factor = weights.to(x.dtype).reshape(*weights.shape, *(1,) * (x.ndim - weights.ndim))
    x.register_hook(lambda gradient: gradient * factor)
