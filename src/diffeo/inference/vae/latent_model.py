"""What every model with latents and an encoder shares: the bounds of log p(x), and its fit."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor

from diffeo.arrays import ArrayLike, is_tensor_like, like_input
from diffeo.checks import check_count, check_event
from diffeo.chunks import by_chunks, checked_chunk_size
from diffeo.density import Density, SampleShape, Seed, as_generator
from diffeo.draw import Draw
from diffeo.inference.vae.objective import ElboTerms, negative_elbo
from diffeo.model import Model
from diffeo.training import Objective

__all__ = ["LatentModel"]

Self = TypeVar("Self", bound="LatentModel")
Reduce = Callable[[ElboTerms], tuple[Tensor, ...]]


class LatentModel(Model):
    """A density of x given latents z, known by bounds from a posterior that an encoder steers:

        z ~ p(z | c),   x ~ p(x | z),
        log p(x | c) >= E_q[log p(x | z) + log p(z | c) - log q(z | x)].

    A subclass says what p(x | z) and the encoder are, by ``_log_likelihood``, ``_code`` and
    ``_rsample``.

    Args:
        event_shape: shape of one event x.
        flow: the posterior q(z | code of x).
        prior: p(z | c), whose context is that of the model.

    Attributes:
        flow, prior: as given.
        updates: number of training steps taken, for KL warm-up.
    """

    exactness = "bound"
    updates: Tensor

    def __init__(self, event_shape: tuple[int, ...], flow: Density, prior: Density) -> None:
        super().__init__(event_shape, prior.context)
        self.flow, self.prior = flow, prior
        self.compiles = flow.compiles and prior.compiles
        self.register_buffer("updates", torch.tensor(0))

    @abstractmethod
    def _code(self, x: Tensor) -> Tensor:
        """The encoder's output (*batch, flow.context) for x (*batch, *event)."""

    @abstractmethod
    def _log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        """log p(x | z), for x (*batch, *event) and z (..., *batch, *latent)."""

    # -- bounds ----------------------------------------------------------------------------------

    def log_prob(
        self,
        x: ArrayLike,
        context: ArrayLike | None = None,
        *,
        num_samples: int = 1,
        seed: Seed = None,
        chunk_size: int | None = None,
    ) -> Any:
        """The importance-weighted bound of log p(x | context) in nats, of one draw the ELBO.

        -inf outside the support, NaN where x is NaN.

        Args:
            x: (*batch, *event_shape), array or tensor.
            context: (*batch, context) of the prior; ignored where the model has none.
            num_samples: draws k.
            seed: of the draws, an int or a ``torch.Generator``; None draws from torch's global
                generator.
            chunk_size: rows worked on at a time, counted with their draws; None chooses, as
                ``Density.log_prob`` does.

        Returns:
            (*batch): a tensor (with gradient) for tensors, a numpy array for arrays.

        Raises:
            ValueError: ``num_samples`` or ``chunk_size`` is not a whole number of at least 1.
            As ``Density.log_prob``.
        """
        return self._evaluate(_log_mean_weight, x, context, num_samples, seed, chunk_size)

    def elbo(
        self,
        x: ArrayLike,
        context: ArrayLike | None = None,
        *,
        num_samples: int = 1,
        seed: Seed = None,
        chunk_size: int | None = None,
    ) -> Any:
        """log p(x | z) + log p(z) - log q(z | x), its mean over draws; else as ``log_prob``."""
        return self._evaluate(_mean_elbo, x, context, num_samples, seed, chunk_size)

    def elbo_terms(
        self,
        x: ArrayLike,
        context: ArrayLike | None = None,
        *,
        num_samples: int = 1,
        seed: Seed = None,
        chunk_size: int | None = None,
    ) -> ElboTerms:
        """Both terms of the ELBO, (*batch) each, means over draws; else as ``log_prob``."""
        return ElboTerms(*self._evaluate(_mean_terms, x, context, num_samples, seed, chunk_size))

    def _evaluate(
        self,
        reduce: Reduce,
        x: ArrayLike,
        context: ArrayLike | None,
        num_samples: int,
        seed: Seed,
        chunk_size: int | None,
    ) -> Any:
        """What ``reduce`` makes of the terms (draws, *batch)."""
        count, size = check_count("num_samples", num_samples), checked_chunk_size(chunk_size)
        tensors = is_tensor_like(x, context)
        with torch.set_grad_enabled(tensors and torch.is_grad_enabled()):
            point, given = self._check_pair(x, context)
            if size is None and not self._keeps_graph(point, given):
                size = self._rows_at_once(count * point.numel())
            generator = as_generator(seed, self.like.device)

            reduced = partial(
                self._reduced, reduce=reduce, count=count, generator=generator, size=size
            )
            found = by_chunks(reduced, size, point, given, len(self.event_shape))
            parts = tuple(like_input(part, x, context) for part in found)
            return parts if len(parts) > 1 else parts[0]

    def _reduced(
        self,
        x: Tensor,
        context: Tensor | None = None,
        *,
        reduce: Reduce,
        count: int = 1,
        generator: torch.Generator | None = None,
        size: int | None = None,
    ) -> tuple[Tensor, ...]:
        """What ``reduce`` makes of the terms, its first part put right outside the support."""
        inside = self.support.contains(x)
        # a point outside is replaced before any formula sees it, so its gradient is 0, not NaN
        point = torch.where(inside, x, self.support.interior(x))
        found, *others = reduce(self._draws(point, context, count, generator, size))
        axes = tuple(range(-len(self.event_shape), 0))
        # NaN where an element is
        outside = -torch.inf - x.detach().abs().sum(axes)
        return torch.where(inside.all(axes), found, outside), *others

    def _draws(
        self,
        x: Tensor,
        context: Tensor | None,
        count: int,
        generator: torch.Generator | None,
        size: int | None,
    ) -> ElboTerms:
        """The terms (count, *batch), of as many draws at a time as make ``size`` rows."""
        code = self._code(x)
        most = count if size is None else max(1, size // max(1, code[..., 0].numel()))
        parts = [
            self._terms(x, context, Draw((min(most, count - start),), code, generator))
            for start in range(0, count, most)
        ]
        return ElboTerms(*(torch.cat(each) for each in zip(*parts, strict=True)))

    def _terms(self, x: Tensor, context: Tensor | None, draw: Draw) -> ElboTerms:
        z, log_q = self._posterior(x, draw)
        return ElboTerms(self._log_likelihood(x, z), log_q - self.prior._log_prob(z, context))

    def training_terms(self, x: Tensor, context: Tensor | None = None) -> ElboTerms:
        """The terms that ``fit`` takes its steps by; those of one draw."""
        return self.elbo_terms(x, context)

    def _posterior(self, x: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        """z (*draw.batch, *latent) and log q(z | x) (*draw.batch), at the codes of x."""
        return self.flow._rsample_and_log_prob(draw)

    def encode(self, x: ArrayLike, n: SampleShape = (), *, seed: Seed = None) -> Any:
        """Draws z ~ q(z | x), without gradient.

        Args:
            x: (*batch, *event_shape).
            n: number of draws a row, or a shape; () gives one.
            seed: an int or a ``torch.Generator``; None draws from torch's global generator.

        Returns:
            (n, *batch, *flow.event_shape), a tensor or a numpy array as ``x`` is.

        Raises:
            ShapeError: events of another shape.
        """
        with torch.no_grad():
            point = self._check_x(x)
            check_event(self, point, self.event_shape)
            z, _ = self._posterior(point, self.flow._draw(n, self._code(point), seed))
            return like_input(z, x)

    # -- the rest of the protocol ----------------------------------------------------------------

    def fit(
        self: Self,
        X: ArrayLike,
        *,
        kl_warmup: int = 0,
        kl_free: int = 0,
        objective: Objective | None = None,
        **options: Any,
    ) -> Self:
        """Fit by maximising the ELBO of one draw; other arguments and errors as ``Model.fit``.

        Args:
            X: (rows, *event_shape), in the likelihood's support.
            kl_warmup: training steps (of ``batch_size`` rows) over which the weight of
                log q(z | x) - log p(z) rises from 0 to 1; validation always has it at 1.
            kl_free: training steps before those, at which that weight is 0.
            objective: in place of ``negative_elbo``.
            **options: of ``Model.fit``.

        Raises:
            ValueError: steps below 0, or together with an objective.
        """
        for name, steps in (("kl_warmup", kl_warmup), ("kl_free", kl_free)):
            if steps < 0 or (steps and objective is not None):
                raise ValueError(
                    f"fit: {name} must be a number of steps >= 0, and belongs to the objective "
                    f"negative_elbo alone; got {steps!r}"
                )
        chosen = objective or partial(negative_elbo, warmup=kl_warmup, free=kl_free)
        return super().fit(X, objective=chosen, **options)

    def initialize(
        self, x: Tensor, context: Tensor | None = None, *, standardize: bool = True
    ) -> None:
        """Nothing: what z looks like changes with training."""

    def _log_prob(self, x: Tensor, context: Tensor | None) -> Tensor:
        return self._reduced(x, context, reduce=_log_mean_weight)[0]

    def _rsample_and_log_prob(self, draw: Draw) -> tuple[Tensor, Tensor]:
        # a new draw of the posterior: the z behind the sample would make an upper bound
        x = self._rsample(draw)
        bound = partial(self._reduced, reduce=_log_mean_weight, generator=draw.generator)
        (log_prob,) = draw.by_chunks(bound, x, len(self.event_shape))
        return x, log_prob


def _log_mean_weight(terms: ElboTerms) -> tuple[Tensor, ...]:
    weights = terms.likelihood - terms.divergence
    return (torch.logsumexp(weights, 0) - math.log(len(weights)),)


def _mean_elbo(terms: ElboTerms) -> tuple[Tensor, ...]:
    return ((terms.likelihood - terms.divergence).mean(0),)


def _mean_terms(terms: ElboTerms) -> tuple[Tensor, ...]:
    return terms.likelihood.mean(0), terms.divergence.mean(0)
