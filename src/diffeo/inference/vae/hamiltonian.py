"""The Hamiltonian VAE: leapfrog steps carry draws of the posterior uphill in p(x, z)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from diffeo.density import Density
from diffeo.draw import Draw
from diffeo.errors import ShapeError
from diffeo.inference.vae.likelihoods import Likelihood
from diffeo.inference.vae.model import FlowVAE
from diffeo.transforms import Leapfrog

__all__ = ["HamiltonianVAE"]


class _Towards(Leapfrog):
    """Leapfrog steps of constant size and mass, whose log-density sees the data."""

    def _prepare(
        self, x: Tensor, context: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor | None, Any]:
        position, momentum, _, dynamics = super()._prepare(x, None)
        return position, momentum, context, dynamics

    def extra_repr(self) -> str:
        # without the log-density, which is the model's, whose repr this is a part of
        return f"steps={self.steps}, step_size={self.step_size:g}, tempering={self.tempering}"


class HamiltonianVAE(FlowVAE):
    """A flow VAE whose draws of z are moved by leapfrog steps towards the true posterior:

        z_0 ~ q(z | x),   r_0 ~ N(0, M / beta_0),   (z, r) = K tempered steps of
        H = -log p(x, z) + r^T M^-1 r / 2 from (z_0, r_0),
        log p(x) >= E[log p(x, z) + log N(r; 0, M) - log q(z_0 | x) - log N(r_0; 0, M / beta_0)
                      + (D / 2) log beta_0].

    Each step takes the gradient of the decoder, so training costs about K + 1 times as much as
    that of a FlowVAE, and the decoder must be twice differentiable, each row for itself alone (no
    batch normalisation). Step size, M (diagonal) and beta_0 are learned, the same for all x, with
    everything else.

    Args:
        encoder, flow, decoder, likelihood, prior: as for ``FlowVAE``; ``flow`` is q(z_0 | x), such
            as ``amortised_posterior("gaussian", ...)``, on vectors.
        steps: number K of leapfrog steps.
        step_size: where the size of a step starts.
        tempering: whether momenta start hotter than they end; otherwise beta_0 is 1, the steps
            conserve H but for their discretisation, and the bound gains next to nothing.

    Attributes:
        leapfrog: the steps, a ``transforms.Leapfrog``.

    Shapes, Raises: as ``FlowVAE``; besides,

    Raises:
        ShapeError: latents that are no vectors, or fewer than one step.
        ValueError: a step size that is not positive.

    Reference: "Hamiltonian Variational Auto-Encoder", Caterini, Doucet, Sejdinovic, 2018,
    arXiv:1805.11328.

    Example:
        >>> import torch
        >>> from diffeo.inference.vae import HamiltonianVAE, amortised_posterior
        >>> from diffeo.nets import MLP
        >>> start = amortised_posterior("gaussian", latent=2, context=16)
        >>> vae = HamiltonianVAE(MLP(9, 16), start, MLP(2, 9), steps=3)
        >>> vae.log_prob(torch.ones(5, 9), seed=0).shape
        torch.Size([5])
    """

    def __init__(
        self,
        encoder: nn.Module,
        flow: Density,
        decoder: nn.Module,
        likelihood: Likelihood | None = None,
        prior: Density | None = None,
        *,
        steps: int = 3,
        step_size: float = 0.1,
        tempering: bool = True,
    ) -> None:
        super().__init__(encoder, flow, decoder, likelihood, prior)
        if len(flow.event_shape) != 1:
            raise ShapeError(f"HamiltonianVAE: latents must be vectors, got {flow.event_shape}")
        self.leapfrog = _Towards(
            flow.event_shape[0],
            self._log_joint,
            steps=steps,
            step_size=step_size,
            tempering=tempering,
        )

    def _log_joint(self, z: Tensor, x: Tensor | None) -> Tensor:
        assert x is not None
        return self._log_likelihood(x, z) + self.prior._log_prob(z, None)

    def _posterior(self, x: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        """Moved draws, and the log-density of both ends' positions and momenta over N(r; 0, M)."""
        z, log_q = super()._posterior(x, draw)
        noise = draw.normal(self.flow.event_shape, z)
        dynamics = self.leapfrog.dynamics(z)
        # M^-1 = F F^T, so noise / F is N(0, M)
        momentum = torch.exp(-dynamics.log_beta / 2) * noise / dynamics.factor
        moved, _ = self.leapfrog(torch.cat([z, momentum], dim=-1), x)
        z, momentum = moved.chunk(2, dim=-1)
        # what beta_0 adds to log N(r_0) is what the steps take away: their ladj
        whitened = dynamics.factor * momentum
        return z, log_q + 0.5 * (whitened.square() - noise.square()).sum(-1)
