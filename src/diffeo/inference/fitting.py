"""The front door: from a log-density to a posterior."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from diffeo.checks import check_count
from diffeo.errors import DataWarning, TargetError
from diffeo.inference.approximation import ROWS, Approximation, starting_at
from diffeo.inference.circles import turn_circles
from diffeo.inference.escape import escapes
from diffeo.inference.latent import disagreements
from diffeo.inference.moments import heavy_tails
from diffeo.inference.parameters import Declared
from diffeo.inference.posterior import Cost, Posterior
from diffeo.inference.progress import ElboProgress
from diffeo.inference.quality import KHAT_LIMIT, Quality, judge
from diffeo.inference.start import Start, find_start
from diffeo.inference.tails import check_tails
from diffeo.inference.target import CallableTarget, NamedTarget, Target
from diffeo.inference.variational import Budget, Trainer

__all__ = ["fit_posterior"]

# points z (n, dim) and their smoothed log-weights (n)
Weighted = tuple[Tensor, Tensor]

BLOCKS = 2
# of the budget, after which each stage ends and the flow may grow
STAGES = (0.4, 0.6, 0.8, 1.0)
# weighted draws, and how many must count; more are drawn until they do
DRAWS, ENOUGH, MOST_DRAWS = 10_000, 2_000, 80_000
# share of the draws that count beyond which nothing can be gained
EXACT = 0.9999
# gradients that the latent chains of the check may take: a share of the budget, at least so many
CHECK_SHARE, CHECK_LEAST = 0.2, 60_000


def fit_posterior(
    log_prob: Callable[[Any], Tensor] | Target,
    params: Mapping[str, Declared] | None = None,
    dim: int | None = None,
    *,
    max_gradients: int = 1_000_000,
    max_time: float | None = None,
    seed: int = 0,
    dtype: torch.dtype | None = None,
    progress: bool = True,
) -> Posterior:
    """Approximate a posterior by a flow, and say how far to trust it.

    Climbers from random points find modes (Pathfinder); a normal is matched to the scores at each
    (batch and match); a flow starts there and raises the ELBO with sticking-the-landing gradients,
    until that no longer rises; it grows while k-hat is above 0.7 and the budget lasts. Pareto-
    smoothed importance weights and short Hamiltonian chains, in the flow's latent space and outside
    it, then judge it. Nothing needs tuning.

    Args:
        log_prob: log-density up to a constant, in torch operations on a batch: of a dictionary of
            named values (n, *shape) with ``params``, of vectors (n, dim) with ``dim``; returns
            (n,). The Jacobians of the supports are added here. Or a ``Target``: of
            ``numpy_target``, or of an adapter for Stan, NumPyro, Pyro or PyMC.
        params: for each name its support, such as ``diffeo.positive()`` or ``diffeo.real(8)``, or
            a pair (support, shape) for an array of them.
        dim: instead of ``params``, the size of unconstrained vectors.
        max_gradients: points at which the gradient may be asked for, about.
        max_time: seconds that training may take, about.
        seed: decides every random number; the same seed gives the same result on the same machine
            and number of threads.
        dtype: of what ``log_prob`` is called with; None for torch's default. A Target has its own.
        progress: show a bar with the ELBO (needs tqdm, in ``diffeo[cli]``).

    Returns:
        The posterior; print it to see ELBO, log-evidence, k-hat, ESS, verdict and cost.

    Raises:
        ShapeError: neither or both of ``params`` and ``dim``, or declarations that are none.
        TargetError: a log-density of another shape, +inf, without a gradient, finite nowhere,
            independent of a parameter, or improper.
        ValueError: a budget that is not positive, or a seed that is no whole number.

    Warns:
        DataWarning: the verdict is bad, or the density is zero at many random points.

    Reference: "Advances in Black-Box VI: Normalizing Flows, Importance Weighting, and
    Optimization", Agrawal, Sheldon, Domke, 2020, arXiv:2006.10343; "Yes, but Did It Work?:
    Evaluating Variational Inference", Yao, Vehtari, Simpson, Gelman, 2018, arXiv:1802.02538.

    Example:
        >>> import torch, diffeo
        >>> y = torch.tensor([1.2, 0.4, 2.1, 1.6])
        >>> def log_prob(v):
        ...     mu, tau = v["mu"].unsqueeze(-1), v["tau"].unsqueeze(-1)
        ...     likelihood = torch.distributions.Normal(mu, tau).log_prob(y).sum(-1)
        ...     return likelihood - v["mu"] ** 2 / 200 - v["tau"]
        >>> params = {"mu": diffeo.real(), "tau": diffeo.positive()}
        >>> post = diffeo.fit_posterior(log_prob, params, max_gradients=100_000, progress=False)
        >>> post.quality.khat < 0.7
        True
        >>> post.sample(4000)["tau"].shape
        torch.Size([4000])
    """
    _check_budget(max_gradients, max_time, seed)
    target = _as_target(log_prob, params, dim, dtype)
    generator = torch.Generator().manual_seed(seed)
    budget = Budget(target, target.gradients + max_gradients, max_time)
    first = target.evaluations, target.gradients
    with (
        # gradients are needed wherever this is called from
        torch.inference_mode(False),
        torch.enable_grad(),
        torch.random.fork_rng(devices=[]),
        ElboProgress(target, max_gradients, progress) as bar,
    ):
        torch.manual_seed(seed)
        start = find_start(target, generator)
        if turn_circles(target, start, generator):
            start = find_start(target, generator)
        check_tails(target, start.frame())
        approximation, trainer, weighted, quality = _grown(target, start, budget, generator, bar)
        most = max(CHECK_LEAST, int(CHECK_SHARE * max_gradients))
        quality = _checked(approximation, target, start, weighted, quality, generator, most)
    if not quality.good:
        warnings.warn(f"fit_posterior: {quality.verdict}", DataWarning, stacklevel=2)
    approximation.eval()
    return Posterior(
        approximation,
        target,
        quality,
        Cost(target.gradients - first[1], target.evaluations - first[0], budget.elapsed()),
        weighted,
        trainer.history,
        target.parameters if isinstance(target, NamedTarget) else None,
    )


def _as_target(
    log_prob: Callable[[Any], Tensor] | Target,
    params: Mapping[str, Declared] | None,
    dim: int | None,
    dtype: torch.dtype | None,
) -> Target:
    if not isinstance(log_prob, Target):
        return CallableTarget(log_prob, params, dim, dtype)
    if params is not None or dim is not None or dtype is not None:
        raise TargetError(
            f"a {type(log_prob).__name__} knows its parameters and dtype: "
            f"leave out params=, dim= and dtype="
        )
    return log_prob


def _check_budget(max_gradients: int, max_time: float | None, seed: int) -> None:
    check_count("max_gradients", max_gradients)
    if max_time is not None and not (isinstance(max_time, float | int) and max_time > 0):
        raise ValueError(f"max_time must be seconds above 0, or None, got {max_time!r}")
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise ValueError(f"seed must be a whole number, got {seed!r}")


def _grown(
    target: Target, start: Start, budget: Budget, generator: torch.Generator, bar: ElboProgress
) -> tuple[Approximation, Trainer, Weighted, Quality]:
    """Train, and grow the flow while k-hat is bad and the budget lasts.

    Where the weights of the start are all but equal, there is nothing left to train.
    """
    approximation = starting_at(start, BLOCKS)
    trainer = Trainer(approximation, target, budget, generator, bar.window)
    weighted, quality = _weighed(approximation, target, generator)
    if quality.khat <= KHAT_LIMIT and quality.ess > EXACT * quality.draws:
        return approximation, trainer, weighted, quality
    for stage, share in enumerate(STAGES):
        if stage:
            approximation.grow(BLOCKS)
        bar.stage = stage + 1
        trainer.train(share)
        weighted, quality = _weighed(approximation, target, generator)
        if quality.khat <= KHAT_LIMIT or not budget.left(STAGES[-2]):
            break
    return approximation, trainer, weighted, quality


def _weighed(
    approximation: Approximation, target: Target, generator: torch.Generator
) -> tuple[Weighted, Quality]:
    """Draws with their smoothed log-weights, enough of them to count, and what these say."""
    z, raw = _draws(approximation, target, DRAWS, generator)
    quality, smoothed = judge(raw)
    while quality.ess < ENOUGH and quality.khat <= KHAT_LIMIT and len(z) < MOST_DRAWS:
        more_z, more_raw = _draws(approximation, target, len(z), generator)
        z, raw = torch.cat([z, more_z]), torch.cat([raw, more_raw])
        quality, smoothed = judge(raw)
    return (z, smoothed.log_weights), quality


def _draws(
    approximation: Approximation, target: Target, n: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Points (n, dim) and log p - log q there (n)."""
    z, log_q = approximation.sample_and_log_prob(n, generator)
    with torch.no_grad():
        each = [target.log_prob(part.to(target.dtype)) for part in z.split(ROWS)]
    return z, torch.cat(each).double() - log_q


def _checked(
    approximation: Approximation,
    target: Target,
    start: Start,
    weighted: Weighted,
    quality: Quality,
    generator: torch.Generator,
    most_gradients: int,
) -> Quality:
    """The quality, with what chains and climbers say against it."""
    z, log_weights = weighted
    weights = log_weights.exp()
    found = disagreements(approximation, target, start, z, weights, generator, most_gradients)
    highest = quality.log_evidence + math.log(quality.largest)
    found += escapes(approximation, target, z, weights, highest, generator, most_gradients)
    if not start.complete:
        found.append("the search for modes ended while it still found new ones")
    heavy = heavy_tails(target.constrain(z.to(target.dtype)), log_weights, KHAT_LIMIT)
    return replace(quality, warnings=[*quality.warnings, *found], heavy=heavy)
