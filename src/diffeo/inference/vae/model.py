"""The flow VAE: encoder, flow and decoder as one model."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from diffeo.arrays import ArrayLike, like_input, to_tensor
from diffeo.bases import StandardNormal
from diffeo.checks import check_event
from diffeo.density import Density, Seed
from diffeo.draw import Draw
from diffeo.inference.vae.latent_model import LatentModel
from diffeo.inference.vae.likelihoods import Bernoulli, Likelihood
from diffeo.inference.vae.parts import event_shape_of

__all__ = ["FlowVAE"]


class FlowVAE(LatentModel):
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
        super().__init__(event_shape_of(type(self).__name__, *parts), flow, prior)
        self.encoder, self.decoder, self.likelihood = encoder, decoder, likelihood
        self.support = likelihood.support
        self.has_rsample = likelihood.has_rsample and prior.has_rsample

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

    # -- samples -----------------------------------------------------------------------------------

    def _rsample(self, draw: Draw) -> Tensor:
        z = self.prior._rsample(draw)

        def drawn(z: Tensor, _: Tensor | None) -> Tensor:
            return self.likelihood.sample(self._params(z), draw.generator)

        x: Tensor = draw.by_chunks(drawn, z, len(self.flow.event_shape))
        return x
