"""The Fisher divergence: how far the scores of q and p are apart."""

from __future__ import annotations

import torch
from torch import Tensor

from diffeo.checks import check_count
from diffeo.density import Density, Seed
from diffeo.objectives.target import LogDensity, check_density, slope, target_values

__all__ = ["fisher"]


def fisher(
    density: Density,
    target: LogDensity,
    n: int = 256,
    *,
    context: Tensor | None = None,
    seed: Seed = None,
) -> Tensor:
    """Mean of |grad_x log q(x) - grad_x log p(x)|^2 at draws x from q, which are held fixed.

    Z drops out, and the loss is 0 where q = p. On a surface (the simplex) the gradients are those
    to the coordinates to whose measure the density refers.

    - Bias: no gradient passes through the draws, so that neither the target's Hessian nor a
      reparameterisation is needed. What is missing of the gradient of E_q is
      E_q[|difference|^2 grad log q(x)], of second order in the difference of the scores, where the
      gradient that is kept is of first order: it is biased away from q = p, and vanishes there.
      Iterating it is a fixed-point iteration rather than descent on one function.
    - Variance: 0 at q = p. It sees no more of the relative mass of separate modes than scores do.
    - Cost: n values of the target with gradient, one pass to draw, one inverse pass, and a
      gradient of its gradient.

    Its scale is that of x squared, inverse: standardise the target, or precondition it, first.

    Args:
        density: q; its draws need not carry gradients.
        target: unnormalised log p, from (n, *event_shape) to (n,), differentiable; with context,
            from (n, *context_batch, *event_shape) to (n, *context_batch). Held fixed: parameters
            of its own get no gradient.
        n: number of draws, for each context.
        context: (*context_batch, context); the loss is the mean over contexts.
        seed: of the draws.

    Returns:
        A scalar, in units of x^-2: NaN where the gradient of the target is NaN, as it may be where
        its value is infinite.

    Raises:
        ShapeError: a target whose values have another shape.
        TypeError: a ``log_prob`` that is a bound, or a target without gradient.
        ValueError: ``n`` below 1.
        ContextError: a missing context, or one of another width.

    Reference: "Estimation of Non-Normalized Statistical Models by Score Matching", Hyvarinen, 2005,
    JMLR 6; "Variational Inference with Gaussian Score Matching", Modi, Margossian, Yao, Gower,
    Blei, Saul, 2023, arXiv:2307.07849; "Batch and Match: Black-Box Variational Inference with a
    Score-Based Divergence", Cai, Modi, Pillaud-Vivien, Margossian, Gower, Blei, Saul, 2024,
    arXiv:2402.14758.

    Example:
        >>> import torch, diffeo
        >>> from diffeo.objectives import fisher
        >>> flow = diffeo.RealNVP(features=2, seed=0)
        >>> loss = fisher(flow, lambda x: -(x - 1).square().sum(-1), seed=0)
        >>> loss.backward()
    """
    check_density("fisher", density)
    count = check_count("n", n)
    support = density.support
    drawn: Tensor = density.sample(count, context, seed=seed)
    keep = torch.is_grad_enabled()
    with torch.enable_grad():
        at = support.chart(drawn, drawn).detach().requires_grad_()
        x = support.embed(at, drawn)
        score_q = slope(density.log_prob(x, context), at, keep=True, differentiable=keep)
        score_p = slope(target_values(target, x, density), at)
    return (
        (score_q - score_p).square().flatten(drawn.ndim - len(density.event_shape)).sum(-1).mean()
    )
