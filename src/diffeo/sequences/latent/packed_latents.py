"""A model of latents of sequences, whose work is done on rows without padding."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from diffeo.draw import Draw
from diffeo.flow import Flow
from diffeo.inference.vae import Bernoulli, Categorical, ElboTerms, LatentModel
from diffeo.sequences.latent.networks import SequenceNetwork
from diffeo.sequences.latent.packing import Packing
from diffeo.sequences.latent.padding import Padded, lengths
from diffeo.sequences.latent.posterior import NormalSteps
from diffeo.sequences.latent.recurrence import RecurrentTransform

__all__ = ["PackedLatents"]

# what logits are divided by at a temperature of 0
_COLDEST = 1e-6


class PackedLatents(LatentModel):
    """The bounds of sequences x (*batch, steps, width) that end in padding, and samples of them.

    Args:
        encoder: gives mean and log-scale of each latent, side by side.
        prior: whose transform is a ``RecurrentTransform``.
        decoder: gives the likelihood's parameters.
        likelihood: of an element of a step.
        width: elements of a step.
    """

    support: Padded

    def __init__(
        self,
        encoder: SequenceNetwork,
        prior: Flow,
        decoder: SequenceNetwork,
        likelihood: Bernoulli | Categorical,
        width: int,
    ) -> None:
        steps, latent = prior.event_shape
        super().__init__((steps, width), NormalSteps(steps, latent), prior)
        self.encoder, self.decoder, self.likelihood = encoder, decoder, likelihood
        self.support = Padded(likelihood.support)
        self.has_rsample = False

    @property
    def steps(self) -> int:
        """Most steps of a sequence."""
        return self.event_shape[0]

    @property
    def width(self) -> int:
        """Elements of a step."""
        return self.event_shape[1]

    @property
    def latent(self) -> int:
        """Width of the latents of a step."""
        return self.flow.event_shape[1]

    @property
    def _recurrence(self) -> RecurrentTransform:
        found: Any = self.prior.transform
        return found

    @property
    def _posterior_steps(self) -> NormalSteps:
        found: Any = self.flow
        return found

    def _code(self, x: Tensor) -> Tensor:
        flat = _flat(x)
        packing = Packing(lengths(flat))
        rows = packing.of_events(flat)
        if isinstance(self.likelihood, Categorical):
            rows = F.one_hot(rows.long(), self.likelihood.num_params).flatten(-2).to(x)
        # under autocast networks end in half precision; densities do not
        code = self.encoder(rows, packing).to(self.like.dtype)
        width = x.shape[-2] * code.shape[-1]
        return packing.events(code, x.shape[-2]).reshape(*x.shape[:-2], width)

    def _params(self, z: Tensor, packing: Packing) -> Tensor:
        """The likelihood's parameters (num_params, rows, width) at latents (rows, latent)."""
        out = self.decoder(z, packing).to(self.like.dtype)
        return out.unflatten(-1, (self.likelihood.num_params, self.width)).movedim(1, 0)

    def _likelihoods(self, x: Tensor, z: Tensor, packing: Packing) -> Tensor:
        """log p(x | z) of each sequence, for events x and rows z."""
        each = self.likelihood.log_prob(packing.of_events(x), self._params(z, packing))
        return packing.total(each.sum(-1))

    def _posterior_rows(self, code: Tensor, packing: Packing, draw: Draw) -> tuple[Tensor, Tensor]:
        """Latents (rows, latent) of codes (n, width), and log q(z | x) of each sequence."""
        loc, log_scale = (
            packing.of_events(each) for each in self._posterior_steps.parameters_of(code)
        )
        steps = code.shape[-1] // (2 * self.latent)
        noise = packing.of_events(_flat(draw.normal((steps, self.latent), code)))
        log_q = self._posterior_steps.of_noise(noise, log_scale)
        return loc + log_scale.exp() * noise, packing.total(log_q)

    def _prior_rows(self, z: Tensor, packing: Packing) -> tuple[Tensor, Tensor]:
        """The noise (rows, latent) of latents, and log p(z) of each sequence."""
        noise, ladj = self._recurrence.of_rows(z, packing, inverted=True)
        log_p = self._posterior_steps.of_noise(noise, torch.zeros_like(noise)) + ladj
        return noise, packing.total(log_p)

    def _terms(self, x: Tensor, context: Tensor | None, draw: Draw) -> ElboTerms:
        assert draw.context is not None
        flat = _flat(x)
        packing = Packing(lengths(flat).repeat(math.prod(draw.shape)))
        code = draw.context.reshape(len(flat), draw.context.shape[-1])
        z, log_q = self._posterior_rows(code, packing, draw)
        _, log_p = self._prior_rows(z, packing)
        terms = ElboTerms(self._likelihoods(flat, z, packing), log_q - log_p)
        return ElboTerms(*(each.reshape(draw.batch) for each in terms))

    def _draws(
        self,
        x: Tensor,
        context: Tensor | None,
        count: int,
        generator: torch.Generator | None,
        size: int | None,
    ) -> ElboTerms:
        # no work for what is padding in all sequences
        longest = int(lengths(x).max()) if x.numel() else x.shape[-2]
        return super()._draws(x[..., :longest, :], context, count, generator, size)

    def _log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        batch = z.shape[:-2]
        flat = _flat(x.expand(*batch, *x.shape[-2:]))
        packing = Packing(lengths(flat))
        rows = packing.of_events(_flat(z))
        return self._likelihoods(flat, rows, packing).reshape(batch)

    def _rsample(self, draw: Draw) -> Tensor:
        noise = draw.normal((self.steps, self.latent), self.like)

        def drawn(noise: Tensor, _: Tensor | None) -> Tensor:
            return self._from_noise(noise, draw.generator)

        x: Tensor = draw.by_chunks(drawn, noise, 2)
        return x

    def _from_noise(
        self, noise: Tensor, generator: torch.Generator | None, temperature: float = 1.0
    ) -> Tensor:
        """Sequences (*batch, steps, width) of noise (*batch, steps, latent)."""
        batch, steps = noise.shape[:-2], noise.shape[-2]
        packing = Packing(noise.new_full((math.prod(batch),), steps, dtype=torch.long))
        rows = packing.of_events(temperature * _flat(noise))
        z, _ = self._recurrence.of_rows(rows, packing, inverted=False)
        x = self._sampled(self._params(z, packing), generator, temperature)
        return packing.events(x, steps).reshape(*batch, steps, self.width)

    def _sampled(
        self, params: Tensor, generator: torch.Generator | None, temperature: float
    ) -> Tensor:
        return self.likelihood.sample(params / max(temperature, _COLDEST), generator)


def _flat(x: Tensor) -> Tensor:
    """Events x (*batch, steps, width) as (n, steps, width)."""
    return x.reshape(math.prod(x.shape[:-2]), *x.shape[-2:])
