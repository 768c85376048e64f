"""The reverse Kullback-Leibler divergence, whose negative is the evidence lower bound (ELBO)."""

from __future__ import annotations

from math import inf

from torch import Tensor

from diffeo.checks import check_count
from diffeo.density import Density, Seed
from diffeo.objectives.draws import Gradient, draw
from diffeo.objectives.target import LogDensity, check_density, target_values

__all__ = ["reverse_kl"]


def reverse_kl(
    density: Density,
    target: LogDensity,
    n: int = 256,
    *,
    gradient: Gradient = "standard",
    beta: float = 1.0,
    context: Tensor | None = None,
    seed: Seed = None,
) -> Tensor:
    """Mean of log q(x) - beta log p(x) at draws x from q: the negative ELBO.

    Its expectation is KL(q || p) - log Z at beta = 1, where Z is the integral of p. It looks for
    one mode rather than for all of p; ``annealing`` gives a beta that starts low.

    - "standard": the whole gradient. Unbiased; its variance remains at q = p. One forward pass.
    - "sticking": drops the score, whose mean is 0: log q is evaluated at parameters (and context)
      that get no gradient. Unbiased; its variance is 0 at q = p, but may be the larger one far from
      it. One forward and one inverse pass.
    - "path": the same number and gradient as "sticking", from the forward pass alone, for flows
      whose inverse is found numerically (planar, Sylvester) and events of a moderate number D of
      reals: grad_x log q = J^-T grad_z (log b(z) - ladj(z)), J the Jacobian of z -> x. One forward
      pass, D + 1 backward ones, n solves of D x D: more than a closed inverse costs.

    Each costs n values of the target with gradient.

    Args:
        density: q, whose draws carry gradients.
        target: unnormalised log p, from (n, *event_shape) to (n,), differentiable; with context,
            from (n, *context_batch, *event_shape) to (n, *context_batch). Parameters of its own
            get their gradients too.
        n: number of draws, for each context.
        gradient: estimator of the gradient.
        beta: inverse temperature of the target, above 0.
        context: (*context_batch, context); the loss is the mean over contexts.
        seed: of the draws.

    Returns:
        A scalar, in nats: +inf where the target is -inf at a draw, NaN where it is NaN. Finiteness
        is for the caller to check.

    Raises:
        ShapeError: a target whose values have another shape.
        TypeError: draws that cannot be reparameterised, a ``log_prob`` that is a bound, a target
            without gradient, or "path" for a density that is not a base and a transform.
        ValueError: ``n``, ``beta`` or ``gradient`` out of range.
        ContextError: a missing context, or one of another width.

    Reference: "Variational Inference with Normalizing Flows", Rezende, Mohamed, 2015,
    arXiv:1505.05770; sticking: "Sticking the Landing: Simple, Lower-Variance Gradient Estimators
    for Variational Inference", Roeder, Wu, Duvenaud, 2017, arXiv:1703.09194; path: "Gradients
    should stay on Path", Vaitl, Nicoli, Nakajima, Kessel, 2022, arXiv:2207.08219, and "Fast and
    Unified Path Gradient Estimators for Normalizing Flows", Vaitl, Winkler, Richter, Kessel, 2024,
    arXiv:2403.15881.

    Example:
        >>> import torch, diffeo
        >>> from diffeo.objectives import reverse_kl
        >>> normal = diffeo.bases.StandardNormal(2)
        >>> loss = reverse_kl(normal, lambda x: -x.square().sum(-1) / 2, seed=0)
        >>> loss  # -log Z = -log(2 pi), exactly, since q = p
        tensor(-1.8379)
    """
    check_density("reverse_kl", density)
    count = check_count("n", n)
    # at beta = 0 no target is left, and the loss is without a bound
    if not 0 < beta < inf:
        raise ValueError(f"reverse_kl: beta must be above 0 and finite, got {beta!r}")
    x, log_q = draw(density, count, context, seed, gradient)
    return (log_q - beta * target_values(target, x, density)).mean()
