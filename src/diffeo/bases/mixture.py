"""Gaussian mixture base."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from diffeo.bases.normal import LOG_2PI
from diffeo.checks import check_features
from diffeo.density import Density, Seed, as_generator
from diffeo.draw import Draw
from diffeo.nets import MLP
from diffeo.univariates.bounded import soft_bound

__all__ = ["GaussianMixture"]


class GaussianMixture(Density):
    """Learned mixture of normals with diagonal covariances, or one predicted from context.

    p(x) = sum_k w_k N(x; m_k, diag(s_k^2)). Samples cannot be reparameterised, because the choice
    of a component is discrete. With context c a network that starts at zero gives (a, b, r)(c), and

        w = softmax(a0 + a),   m = m0 + s0 b,   s = s0 exp(t tanh(r / t)),   t = log 1000,

    around the learned a0, m0, s0: a mixture density network that starts as the mixture without
    context.

    Args:
        features: number of features D.
        components: number of components K, at least 1.
        context: width of the context; 0 for none.
        hidden: hidden widths of the network.
        seed: seed of the starting means, which are drawn from N(0, 1).

    Shapes: events (*batch, D), context (*batch, context).

    Raises:
        ValueError: fewer than one component.

    Reference: "Mixture Density Networks", Bishop, 1994, Aston University NCRG/94/004.

    Example:
        >>> import torch, diffeo
        >>> diffeo.bases.GaussianMixture(2, 4).log_prob(torch.zeros(3, 2)).shape
        torch.Size([3])
    """

    has_rsample = False

    def __init__(
        self,
        features: int,
        components: int = 8,
        *,
        context: int = 0,
        hidden: Sequence[int] = (128, 128),
        seed: Seed = None,
    ) -> None:
        check_features("GaussianMixture", features)
        if components < 1:
            raise ValueError(f"GaussianMixture needs at least 1 component, got {components}")
        super().__init__((features,), context)
        generator = as_generator(seed, torch.device("cpu"))
        self.logits = nn.Parameter(torch.zeros(components))
        self.loc = nn.Parameter(torch.randn(components, features, generator=generator))
        self.log_scale = nn.Parameter(torch.zeros(components, features))
        # numbers a row, by which chunks of rows are chosen
        self.row_width = components * features
        outputs = components * (1 + 2 * features)
        self.conditioner = MLP(0, outputs, hidden, context) if context else None

    def arguments(self) -> dict[str, object]:
        # the means travel as weights, so a generator need not be described
        return {k: v for k, v in super().arguments().items() if k != "seed"}

    def _parts(self, context: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Log-weights (*batch, K), means and log-scales (*batch, K, D)."""
        logits: Tensor = self.logits
        loc: Tensor = self.loc
        log_scale: Tensor = self.log_scale
        if self.conditioner is not None and context is not None:
            out = self.conditioner(context[..., :0], context).to(loc.dtype)
            weights, rest = out.tensor_split([len(logits)], dim=-1)
            means, scales = rest.unflatten(-1, (2, *loc.shape)).unbind(-3)
            logits = logits + weights
            loc = loc + means * log_scale.exp()
            log_scale = log_scale + soft_bound(scales)
        return torch.log_softmax(logits, dim=-1), loc, log_scale

    def _log_prob(self, x: Tensor, context: Tensor | None) -> Tensor:
        log_weights, loc, log_scale = self._parts(context)
        z = (x.unsqueeze(-2) - loc) * torch.exp(-log_scale)
        each = (-0.5 * (z * z + LOG_2PI) - log_scale).sum(-1)
        return torch.logsumexp(each + log_weights, dim=-1)

    def _rsample(self, draw: Draw) -> Tensor:
        noise = draw.normal(self.event_shape, self.like)
        log_weights, loc, log_scale = self._parts(draw.context)
        mixtures = log_weights[..., 0].numel()
        if noise.numel() == 0:
            return noise
        chosen = torch.multinomial(
            log_weights.exp().reshape(mixtures, -1),
            noise[..., 0].numel() // mixtures,
            replacement=True,
            generator=draw.generator,
        )
        index = chosen.unsqueeze(-1).expand(-1, -1, noise.shape[-1])
        picked = [
            part.reshape(mixtures, *part.shape[-2:]).gather(1, index).transpose(0, 1)
            for part in (loc, log_scale)
        ]
        return picked[0].reshape(noise.shape) + picked[1].reshape(noise.shape).exp() * noise
