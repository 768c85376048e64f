"""Renyi's bound and alpha-divergences: from mode-seeking to mass-covering."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from diffeo.checks import check_count
from diffeo.density import Density, Seed
from diffeo.objectives.draws import draw, stopped_log_prob
from diffeo.objectives.target import LogDensity, check_density, slope, target_values

__all__ = ["alpha_divergence", "renyi"]


def renyi(
    density: Density,
    target: LogDensity,
    n: int = 32,
    particles: int = 8,
    *,
    alpha: float = 0.5,
    context: Tensor | None = None,
    seed: Seed = None,
) -> Tensor:
    """Mean of -1/(1 - alpha) log (1/K sum_k (p(x_k) / q(x_k))^(1 - alpha)), draws x_k from q.

    As K grows this is the negative of the variational Renyi bound log Z - D_alpha(q || p), with
    Renyi's divergence D_alpha(q || p) = 1/(alpha - 1) log E_p[(q / p)^alpha].

    - alpha = 1 (the limit, taken exactly): the negative ELBO, whatever K.
    - alpha = 0: the negative IWAE bound, which reaches log Z as K grows.
    - alpha > 1: more mode-seeking than the ELBO.
    - Bias: none for the bound of K particles; that bound differs from Renyi's by order 1/K.
    - Variance: remains at q = p. Grows with abs(1 - alpha), as weights to that power do.
    - Cost: n K values of the target with gradient, one forward pass.

    Args:
        density: q, whose draws carry gradients.
        target: unnormalised log p, from (n K, *event_shape) to (n K,), differentiable; with
            context, from (n K, *context_batch, *event_shape) to (n K, *context_batch). Parameters
            of its own get their gradients too.
        n: number of bounds that are averaged, for each context.
        particles: K, draws of each bound.
        alpha: order, at least 0. (Below 0 it is an upper bound of log Z, which a loss must not
            maximise: see ``alpha_divergence``.)
        context: (*context_batch, context); the loss is the mean over contexts.
        seed: of the draws.

    Returns:
        A scalar, in nats: +inf where the target is -inf at all particles of a bound (for
        alpha >= 1, at one), NaN where it is NaN at one.

    Raises:
        ShapeError: a target whose values have another shape.
        TypeError: draws that cannot be reparameterised, a ``log_prob`` that is a bound, or a
            target without gradient.
        ValueError: ``n``, ``particles`` or ``alpha`` out of range.
        ContextError: a missing context, or one of another width.

    Reference: "Renyi Divergence Variational Inference", Li, Turner, 2016, arXiv:1602.02311.

    Example:
        >>> import torch, diffeo
        >>> from diffeo.objectives import renyi
        >>> normal = diffeo.bases.StandardNormal(2)
        >>> renyi(normal, lambda x: -x.square().sum(-1) / 2, alpha=0.5, seed=0)
        tensor(-1.8379)
    """
    check_density("renyi", density)
    outer, inner = check_count("n", n), check_count("particles", particles)
    if not 0 <= alpha < math.inf:
        raise ValueError(
            f"renyi: alpha must be >= 0 and finite, got {alpha!r}; below 0 this is an upper bound "
            f"of log Z: minimise alpha_divergence with 1 - alpha instead"
        )
    x, log_q = draw(density, outer * inner, context, seed, "standard")
    log_w = (target_values(target, x, density) - log_q).unflatten(0, (inner, outer))
    return -_power_mean(log_w, 1 - alpha).mean()


def alpha_divergence(
    density: Density,
    target: LogDensity,
    n: int = 256,
    *,
    alpha: float,
    context: Tensor | None = None,
    seed: Seed = None,
) -> Tensor:
    """log E_q[(p / (Z q))^alpha] / (alpha (alpha - 1)), from n draws from q; 0 where q = p.

    It is log(1 + alpha (alpha - 1) D) / (alpha (alpha - 1)) of Amari's (Minka's) alpha-divergence
    D = (E_q[(p / (Z q))^alpha] - 1) / (alpha (alpha - 1)), increasing in D. Z is estimated from the
    same draws.

    - alpha = 0 (the limit, taken exactly): KL(q || p), the reverse one, which seeks a mode.
    - alpha = 1/2: symmetric, -4 log(1 - H^2) with Hellinger's distance H.
    - alpha = 1 (the limit, taken exactly): KL(p || q), the forward one, which covers all modes.
    - alpha = 2: log(1 + chi^2(p || q)) / 2, the chi^2 upper bound (CUBO) of log Z, less log Z.

    The gradient is that of "sticking the landing", weighted:
    -sum_i w_i grad_x (log p - log q)(x_i) dx_i/dparameters, w = softmax(alpha (log p - log q)).

    - Bias: none at alpha = 0, else of order 1/n, by the normalisation of the weights; consistent.
      (The value has a bias of that order for all alpha, by the estimate of Z.)
    - Variance: 0 at q = p. Away from it, it grows with alpha and fast with the number of features:
      one weight then outweighs all others, and what is minimised is nearer to reverse KL.
    - Cost: n values of the target with gradient, one forward and one inverse pass.

    Args:
        density: q, whose draws carry gradients.
        target: unnormalised log p, from (n, *event_shape) to (n,), differentiable; with context,
            from (n, *context_batch, *event_shape) to (n, *context_batch). Held fixed: parameters
            of its own get no gradient.
        n: number of draws, for each context.
        alpha: order, any finite number.
        context: (*context_batch, context); the loss is the mean over contexts.
        seed: of the draws.

    Returns:
        A scalar, in nats. Draws at which the target is -inf have no weight where alpha > 0, make
        the loss +inf at alpha = 0 and NaN below; NaN where the target is -inf at all draws, or NaN
        at one.

    Raises:
        ShapeError: a target whose values have another shape.
        TypeError: draws that cannot be reparameterised, a ``log_prob`` that is a bound, or a
            target without gradient.
        ValueError: ``n`` or ``alpha`` out of range.
        ContextError: a missing context, or one of another width.

    Reference: "Divergence Measures and Message Passing", Minka, 2005, MSR-TR-2005-173; "Black-Box
    alpha-Divergence Minimization", Hernandez-Lobato, Li, Rowland, Hernandez-Lobato, Bui, Turner,
    2015, arXiv:1511.03243; "Variational Inference via chi-Upper Bound Minimization", Dieng, Tran,
    Ranganath, Paisley, Blei, 2016, arXiv:1611.00328; the gradient: "On the Difficulty of Unbiased
    Alpha Divergence Minimization", Geffner, Domke, 2020, arXiv:2010.09541, and "Generalized Doubly
    Reparameterized Gradient Estimators", Bauer, Mnih, 2021, arXiv:2101.11046.

    Example:
        >>> import torch, diffeo
        >>> from diffeo.objectives import alpha_divergence
        >>> flow = diffeo.RealNVP(features=2, seed=0)
        >>> loss = alpha_divergence(flow, lambda x: -(x - 1).square().sum(-1), alpha=2.0, seed=0)
        >>> loss.backward()
    """
    check_density("alpha_divergence", density)
    count = check_count("n", n)
    if not math.isfinite(alpha):
        raise ValueError(f"alpha_divergence: alpha must be finite, got {alpha!r}")
    x = density.rsample(count, context, seed=seed)
    with torch.enable_grad():
        point = x.detach().requires_grad_()
        log_q = stopped_log_prob(density, point, context)
        log_w = target_values(target, point, density) - log_q
        uphill = slope(log_w, point)
    log_w = log_w.detach()
    # the value is unchanged: x - x.detach() is 0
    along = (uphill * (x - point.detach())).flatten(log_w.ndim).sum(-1)
    # at alpha = 0 all weigh the same, also a draw without density
    tempered = alpha * log_w if alpha else torch.zeros_like(log_w)
    carrier = -(torch.softmax(tempered, dim=0) * along).sum(0)
    return (_divergence(log_w, alpha) + carrier).mean()


def _power_mean(log_w: Tensor, power: float) -> Tensor:
    """log of the power mean of the weights along the first axis, log(mean(w^power)) / power.

    For a power of 0 it is the mean of log w, from which it differs smoothly: nothing cancels where
    the power is small.
    """
    if power == 0:
        return log_w.mean(0)
    # so that no exponent is above 0; an infinite one is left to itself
    top = (log_w.amax(0) if power > 0 else log_w.amin(0)).detach()
    top = torch.where(top.isfinite(), top, 0.0)
    return top + torch.log1p(torch.expm1(power * (log_w - top)).mean(0)) / power


def _divergence(log_w: Tensor, alpha: float) -> Tensor:
    """The value of ``alpha_divergence`` from log-weights (n, *batch)."""
    if alpha == 1:
        share = torch.softmax(log_w, dim=0)
        return torch.xlogy(share, len(log_w) * share).sum(0)
    # with weights of mean 1, of which the power mean of order 1 is 0
    return _power_mean(log_w - _power_mean(log_w, 1.0), alpha) / (alpha - 1)
