"""A VAE whose log p(x) and posterior are known: z ~ N(0, I), x = W z + b + noise."""

from __future__ import annotations

import torch
from torch import Tensor, distributions, nn

from diffeo.density import Density
from diffeo.draw import Draw
from diffeo.inference.vae import Gaussian

SCALE = 0.5
LATENT, DATA = 2, 3


class AroundContext(Density):
    """N(context, covariance)."""

    def __init__(self, covariance: Tensor) -> None:
        super().__init__((LATENT,), LATENT)
        self.register_buffer("factor", torch.linalg.cholesky(covariance))

    def _log_prob(self, x: Tensor, context: Tensor | None) -> Tensor:
        normal = distributions.MultivariateNormal(context, scale_tril=self.factor)
        return normal.log_prob(x)

    def _rsample(self, draw: Draw) -> Tensor:
        noise = draw.normal(self.event_shape, self.like)
        return draw.context + noise @ self.factor.mT


class LinearGaussian:
    """The exact parts."""

    def __init__(self) -> None:
        self.decoder = nn.Linear(LATENT, DATA)
        weight, bias = self.decoder.weight.detach().double(), self.decoder.bias.detach().double()
        precision = torch.eye(LATENT).double() + weight.mT @ weight / SCALE**2
        covariance = precision.inverse()
        gain = covariance @ weight.mT / SCALE**2
        self.encoder = nn.Linear(DATA, LATENT)
        self.encoder.weight.data = gain
        self.encoder.bias.data = -gain @ bias
        self.posterior = AroundContext(covariance)
        noise = SCALE**2 * torch.eye(DATA).double()
        self.marginal = distributions.MultivariateNormal(bias, weight @ weight.mT + noise)
        self.decoder.double()
        self.likelihood = Gaussian(SCALE)
