"""Gaussian mixture base."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from diffeo.bases.normal import LOG_2PI, normal_noise
from diffeo.checks import check_features
from diffeo.density import Density, Seed, as_generator

__all__ = ["GaussianMixture"]


class GaussianMixture(Density):
    """Learned mixture of normals with diagonal covariances. Ignores context.

    p(x) = sum_k w_k N(x; m_k, diag(s_k^2)). Samples cannot be reparameterised, because the choice
    of a component is discrete.

    Args:
        features: number of features D.
        components: number of components, at least 1.
        seed: seed of the starting means, which are drawn from N(0, 1).

    Shapes: events (*batch, D).

    Raises:
        ValueError: fewer than one component.

    Example:
        >>> import torch, diffeo
        >>> diffeo.bases.GaussianMixture(2, 4).log_prob(torch.zeros(3, 2)).shape
        torch.Size([3])
    """

    has_rsample = False

    def __init__(self, features: int, components: int = 8, *, seed: Seed = None) -> None:
        check_features("GaussianMixture", features)
        if components < 1:
            raise ValueError(f"GaussianMixture needs at least 1 component, got {components}")
        super().__init__((features,))
        generator = as_generator(seed, torch.device("cpu"))
        self.logits = nn.Parameter(torch.zeros(components))
        self.loc = nn.Parameter(torch.randn(components, features, generator=generator))
        self.log_scale = nn.Parameter(torch.zeros(components, features))

    def arguments(self) -> dict[str, object]:
        # the means travel as weights, so a generator need not be described
        return {k: v for k, v in super().arguments().items() if k != "seed"}

    def _log_prob(self, x: Tensor, context: Tensor | None) -> Tensor:
        z = (x.unsqueeze(-2) - self.loc) * torch.exp(-self.log_scale)
        each = (-0.5 * (z * z + LOG_2PI) - self.log_scale).sum(-1)
        return torch.logsumexp(each + torch.log_softmax(self.logits, dim=0), dim=-1)

    def _rsample(
        self, shape: tuple[int, ...], context: Tensor | None, generator: torch.Generator | None
    ) -> Tensor:
        noise = normal_noise(self, shape, context, generator)
        weights = torch.softmax(self.logits, dim=0)
        count = noise[..., 0].numel()
        # multinomial refuses to draw none
        chosen = torch.multinomial(weights, max(count, 1), replacement=True, generator=generator)
        chosen = chosen[:count].reshape(noise.shape[:-1])
        return self.loc[chosen] + self.log_scale[chosen].exp() * noise
