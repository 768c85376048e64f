"""Independent normals of the latents of a sequence."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from diffeo.density import Density
from diffeo.draw import Draw
from diffeo.univariates.bounded import soft_bound

__all__ = ["NormalSteps"]

LOG_2PI = math.log(2 * math.pi)


class NormalSteps(Density):
    """Independent normals of z (steps, latent), whose context is all their means and log-scales.

    Log-scales are smoothly bounded by log 1000.

    Args:
        steps, latent: the event's shape.
    """

    def __init__(self, steps: int, latent: int) -> None:
        super().__init__((steps, latent), 2 * steps * latent)

    def parameters_of(self, context: Tensor) -> tuple[Tensor, Tensor]:
        """Means and log-scales (*batch, any, latent) of a context, here of any number of steps."""
        loc, raw = context.unflatten(-1, (-1, self.event_shape[1], 2)).unbind(-1)
        return loc, soft_bound(raw)

    def _log_prob(self, x: Tensor, context: Tensor | None) -> Tensor:
        assert context is not None
        loc, log_scale = self.parameters_of(context)
        noise = (x - loc) * torch.exp(-log_scale)
        return self.of_noise(noise, log_scale).sum(-1)

    @staticmethod
    def of_noise(noise: Tensor, log_scale: Tensor) -> Tensor:
        """log q of each step (*batch, steps), at standard noise (*batch, steps, latent)."""
        return (-0.5 * (noise.square() + LOG_2PI) - log_scale).sum(-1)

    def _rsample(self, draw: Draw) -> Tensor:
        assert draw.context is not None
        loc, log_scale = self.parameters_of(draw.context)
        return loc + log_scale.exp() * draw.normal(self.event_shape, loc)
