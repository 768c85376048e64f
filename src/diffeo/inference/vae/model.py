"""The flow VAE: encoder, flow and decoder as one model."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from diffeo.arrays import ArrayLike, is_tensor_like, like_input, to_tensor
from diffeo.bases import StandardNormal
from diffeo.checks import check_count, check_event
from diffeo.chunks import by_chunks, checked_chunk_size
from diffeo.density import Density, SampleShape, Seed, as_generator
from diffeo.draw import Draw
from diffeo.inference.vae.likelihoods import Bernoulli, Likelihood
from diffeo.inference.vae.objective import ElboTerms, negative_elbo
from diffeo.inference.vae.parts import event_shape_of
from diffeo.model import Model
from diffeo.training import Objective

__all__ = ["FlowVAE"]

Self = TypeVar("Self", bound="FlowVAE")
Reduce = Callable[[ElboTerms], tuple[Tensor, ...]]


class FlowVAE(Model):
    """A variational auto-encoder whose posterior is a flow:

        z ~ p(z),   x ~ p(x | z) = likelihood(decoder(z)),   q(z | x) = flow(z | encoder(x)),
        log p(x) >= E_q[log p(x | z) + log p(z) - log q(z | x)].

    ``log_prob`` is this bound (the ELBO) at one draw of z, new at each call unless it is given a
    seed; with ``num_samples=k`` it is the importance-weighted bound, the log of the mean weight
    p(x, z) / q(z | x) of k draws, which on average rises with k to log p(x). Of discrete data,
    such as bytes of an image, -log_prob / (number of elements * log 2) are bits a dimension.

    A network of your own is not in a file: hand it over again, as ``load(path, parts={
    "model.encoder": ..., "model.decoder": ...})``. ``diffeo.nets.MLP`` is.

    Args:
        encoder: a module from x, as ``likelihood.scaled`` shows it, (rows, *event_shape) to the
            flow's context (rows, flow.context).
        flow: the posterior: any density of z with a context, whose samples carry gradients; see
            ``amortised_posterior``.
        decoder: a module from z (rows, *flow.event_shape) to the likelihood's parameters
            (rows, num_params * C, ...) for data of shape (C, ...): first the first parameter of
            all elements, then the second, and so on.
        likelihood: what the parameters mean; by default ``Bernoulli()``.
        prior: density of z, which may learn; by default a standard normal.

    Attributes:
        encoder, flow, decoder, likelihood, prior: as given.
        updates: number of training steps taken, for KL warm-up.

    Shapes: x (*batch, *event_shape), z (*batch, *flow.event_shape).

    Raises:
        ShapeError: parts that do not fit together.
        ValueError: a posterior or a prior that no ELBO can be made of.

    Reference: "Auto-Encoding Variational Bayes", Kingma, Welling, 2013, arXiv:1312.6114;
    "Variational Inference with Normalizing Flows", Rezende, Mohamed, 2015, arXiv:1505.05770;
    "Importance Weighted Autoencoders", Burda, Grosse, Salakhutdinov, 2015, arXiv:1509.00519.

    Example:
        >>> import torch
        >>> from diffeo.inference.vae import FlowVAE, amortised_posterior
        >>> from diffeo.nets import MLP
        >>> posterior = amortised_posterior("iaf", latent=2, context=16, layers=2)
        >>> vae = FlowVAE(MLP(9, 16), posterior, MLP(2, 9))
        >>> x = torch.ones(5, 9)
        >>> vae.log_prob(x, num_samples=100, seed=0).shape, vae.encode(x, 3).shape
        (torch.Size([5]), torch.Size([3, 5, 2]))
    """

    exactness = "bound"
    updates: Tensor

    def __init__(
        self,
        encoder: nn.Module,
        flow: Density,
        decoder: nn.Module,
        likelihood: Likelihood | None = None,
        prior: Density | None = None,
    ) -> None:
        likelihood = Bernoulli() if likelihood is None else likelihood
        prior = StandardNormal(flow.event_shape) if prior is None else prior
        parts = encoder, flow, decoder, likelihood, prior
        super().__init__(event_shape_of(type(self).__name__, *parts))
        self.encoder, self.flow, self.decoder, self.likelihood, self.prior = parts
        self.support = likelihood.support
        self.has_rsample = likelihood.has_rsample and prior.has_rsample
        self.compiles = flow.compiles and prior.compiles
        self.register_buffer("updates", torch.tensor(0))

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
        """The importance-weighted bound of log p(x) in nats, of one draw the ELBO.

        -inf outside the support, NaN where x is NaN.

        Args:
            x: (*batch, *event_shape), array or tensor.
            context: ignored.
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
        return self._evaluate(_log_mean_weight, x, num_samples, seed, chunk_size)

    def elbo(
        self,
        x: ArrayLike,
        *,
        num_samples: int = 1,
        seed: Seed = None,
        chunk_size: int | None = None,
    ) -> Any:
        """log p(x | z) + log p(z) - log q(z | x), its mean over draws; else as ``log_prob``."""
        return self._evaluate(_mean_elbo, x, num_samples, seed, chunk_size)

    def elbo_terms(
        self,
        x: ArrayLike,
        *,
        num_samples: int = 1,
        seed: Seed = None,
        chunk_size: int | None = None,
    ) -> ElboTerms:
        """Both terms of the ELBO, (*batch) each, means over draws; else as ``log_prob``."""
        return ElboTerms(*self._evaluate(_mean_terms, x, num_samples, seed, chunk_size))

    def _evaluate(
        self,
        reduce: Reduce,
        x: ArrayLike,
        num_samples: int,
        seed: Seed,
        chunk_size: int | None,
    ) -> Any:
        """What ``reduce`` makes of the terms (draws, *batch)."""
        count, size = check_count("num_samples", num_samples), checked_chunk_size(chunk_size)
        tensors = is_tensor_like(x)
        with torch.set_grad_enabled(tensors and torch.is_grad_enabled()):
            point, _ = self._check_pair(x, None)
            if size is None and not self._keeps_graph(point, None):
                size = self._rows_at_once(count * point.numel())
            generator = as_generator(seed, self.like.device)

            reduced = partial(
                self._reduced, reduce=reduce, count=count, generator=generator, size=size
            )
            found = by_chunks(reduced, size, point, None, len(self.event_shape))
            parts = tuple(like_input(part, x) for part in found)
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
        found, *others = reduce(self._draws(point, count, generator, size))
        axes = tuple(range(-len(self.event_shape), 0))
        # NaN where an element is
        outside = -torch.inf - x.detach().abs().sum(axes)
        return torch.where(inside.all(axes), found, outside), *others

    def _draws(
        self, x: Tensor, count: int, generator: torch.Generator | None, size: int | None
    ) -> ElboTerms:
        """The terms (count, *batch), of as many draws at a time as make ``size`` rows."""
        code = self._code(x)
        most = count if size is None else max(1, size // max(1, code[..., 0].numel()))
        parts = [
            self._terms(x, Draw((min(most, count - start),), code, generator))
            for start in range(0, count, most)
        ]
        return ElboTerms(*(torch.cat(each) for each in zip(*parts, strict=True)))

    def _terms(self, x: Tensor, draw: Draw) -> ElboTerms:
        z, log_q = self._posterior(x, draw)
        return ElboTerms(self._log_likelihood(x, z), log_q - self.prior._log_prob(z, None))

    # -- parts -----------------------------------------------------------------------------------

    def _posterior(self, x: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        """z (*draw.batch, *latent) and log q(z | x) (*draw.batch), at the codes of x."""
        return self.flow._rsample_and_log_prob(draw)

    def _code(self, x: Tensor) -> Tensor:
        """The encoder's output (*batch, width)."""
        batch = x.shape[: x.ndim - len(self.event_shape)]
        rows = self.likelihood.scaled(x).reshape(math.prod(batch), *self.event_shape)
        # under autocast networks end in half precision; densities do not
        code: Tensor = self.encoder(rows).to(self.like.dtype)
        return code.reshape(*batch, self.flow.context)

    def _params(self, z: Tensor) -> Tensor:
        """The likelihood's parameters (num_params, *batch, *event)."""
        latent = self.flow.event_shape
        batch = z.shape[: z.ndim - len(latent)]
        out: Tensor = self.decoder(z.reshape(math.prod(batch), *latent)).to(self.like.dtype)
        count = self.likelihood.num_params
        params = out.unflatten(1, (count, self.event_shape[0]))
        return params.movedim(1, 0).reshape(count, *batch, *self.event_shape)

    def _log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        """log p(x | z), for x (*batch, *event) and z (..., *batch, *latent)."""
        each = self.likelihood.log_prob(x, self._params(z))
        return each.flatten(each.ndim - len(self.event_shape)).sum(-1)

    # -- latents and reconstructions -------------------------------------------------------------

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
            point, _ = self._check_pair(x, None)
            z, _ = self._posterior(point, self.flow._draw(n, self._code(point), seed))
            return like_input(z, x)

    def decode(self, z: ArrayLike) -> Any:
        """The mean of x given z (of categories the most probable label), without gradient.

        Args:
            z: (*batch, *flow.event_shape).

        Returns:
            (*batch, *event_shape), a tensor or a numpy array as ``z`` is.

        Raises:
            ShapeError: latents of another shape.
        """
        with torch.no_grad():
            latent = to_tensor(z, self.like, "z")
            check_event(self, latent, self.flow.event_shape)
            return like_input(self.likelihood.mean(self._params(latent)), z)

    def reconstruct(self, x: ArrayLike, *, seed: Seed = None) -> Any:
        """``decode`` of one draw of ``encode``: (*batch, *event_shape), as ``x``."""
        return self.decode(self.encode(x, seed=seed))

    # -- the rest of the protocol ----------------------------------------------------------------

    def fit(
        self: Self,
        X: ArrayLike,
        *,
        kl_warmup: int = 0,
        objective: Objective | None = None,
        **options: Any,
    ) -> Self:
        """Fit by maximising the ELBO of one draw; other arguments and errors as ``Model.fit``.

        Args:
            X: (rows, *event_shape), in the likelihood's support.
            kl_warmup: training steps (of ``batch_size`` rows) over which the weight of
                log q(z | x) - log p(z) rises from 0 to 1; validation always has it at 1.
            objective: in place of ``negative_elbo``.
            **options: of ``Model.fit``.

        Raises:
            ValueError: a ``kl_warmup`` below 0, or together with an objective.
        """
        if kl_warmup < 0 or (kl_warmup and objective is not None):
            raise ValueError(
                f"fit: kl_warmup must be a number of steps >= 0, and belongs to the objective "
                f"negative_elbo alone; got {kl_warmup!r}"
            )
        chosen = objective or partial(negative_elbo, warmup=kl_warmup)
        return super().fit(X, objective=chosen, **options)

    def initialize(
        self, x: Tensor, context: Tensor | None = None, *, standardize: bool = True
    ) -> None:
        """Nothing: what z looks like changes with training."""

    def _log_prob(self, x: Tensor, context: Tensor | None) -> Tensor:
        return self._reduced(x, reduce=_log_mean_weight)[0]

    def _rsample(self, draw: Draw) -> Tensor:
        z = self.prior._rsample(draw)

        def drawn(z: Tensor, _: Tensor | None) -> Tensor:
            return self.likelihood.sample(self._params(z), draw.generator)

        x: Tensor = draw.by_chunks(drawn, z, len(self.flow.event_shape))
        return x

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
