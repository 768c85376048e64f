"""What a decoder's output says of the data: likelihoods p(x | z), one element at a time."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from diffeo.described import Described
from diffeo.supports import Real, Support, categories, integers
from diffeo.univariates.bounded import soft_bound

__all__ = ["Bernoulli", "Categorical", "DiscretisedLogistic", "Gaussian", "Likelihood"]

LOG_2PI = math.log(2 * math.pi)


class Likelihood(Described, nn.Module, ABC):
    """Independent distributions of the elements of x, from parameters that a decoder gives.

    Parameters lead: a decoder whose output has shape (rows, num_params * C, ...) for events of
    shape (C, ...) gives first the first parameter of all elements, then the second, and so on.

    Attributes:
        num_params: parameters an element.
        support: where one element lives.
        has_rsample: whether samples carry gradients.
    """

    num_params: int = 1
    support: Support
    has_rsample: bool = False

    def scaled(self, x: Tensor) -> Tensor:
        """What the encoder sees of x, of the same shape: numbers of the order of 1."""
        return x

    @abstractmethod
    def log_prob(self, x: Tensor, params: Tensor) -> Tensor:
        """log p of each element: x (*batch, *event), params (num_params, *batch, *event)."""

    @abstractmethod
    def sample(self, params: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """A draw of each element (*batch, *event)."""

    @abstractmethod
    def mean(self, params: Tensor) -> Tensor:
        """The expectation of each element (*batch, *event)."""


class Bernoulli(Likelihood):
    """x is 0 or 1, and the one parameter is the logit of P(x = 1).

    Grey values between 0 and 1 are outside its support: binarise them once, by a threshold or by
    a seeded draw.

    Example:
        >>> import torch
        >>> from diffeo.inference.vae import Bernoulli
        >>> Bernoulli().log_prob(torch.ones(3), torch.zeros(1, 3))
        tensor([-0.6931, -0.6931, -0.6931])
    """

    def __init__(self) -> None:
        super().__init__()
        self.support = integers(0, 1)

    def log_prob(self, x: Tensor, params: Tensor) -> Tensor:
        return x * params[0] - F.softplus(params[0])

    def sample(self, params: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return torch.bernoulli(params[0].sigmoid(), generator=generator)

    def mean(self, params: Tensor) -> Tensor:
        return params[0].sigmoid()


class Categorical(Likelihood):
    """x is one of the labels 0, ..., K - 1, and its K parameters are their logits.

    Args:
        count: number K of labels, at least 2.

    Raises:
        ValueError: fewer than 2 labels.

    Example:
        >>> import torch
        >>> from diffeo.inference.vae import Categorical
        >>> Categorical(4).log_prob(torch.tensor([2.0]), torch.zeros(4, 1))
        tensor([-1.3863])
    """

    def __init__(self, count: int) -> None:
        super().__init__()
        self.support = categories(count)
        self.num_params = count

    def log_prob(self, x: Tensor, params: Tensor) -> Tensor:
        log_p = params.log_softmax(0)
        labels = x.long().expand(log_p.shape[1:])
        return log_p.gather(0, labels[None])[0]

    def sample(self, params: Tensor, generator: torch.Generator | None = None) -> Tensor:
        # the label whose exponential clock rings first
        clocks = torch.empty_like(params).exponential_(generator=generator)
        return (params - clocks.log()).argmax(0).to(params.dtype)

    def mean(self, params: Tensor) -> Tensor:
        """The most probable label, since labels have no mean."""
        return params.argmax(0).to(params.dtype)


class Gaussian(Likelihood):
    """x is real and normal around the first parameter, its mean.

    Args:
        scale: the standard deviation of every element; None takes it from the decoder, whose
            second parameter is then its logarithm, smoothly bounded by log 1000.
        learned: learn the one scale, from ``scale`` on.

    Raises:
        ValueError: a scale that is not positive, or ``learned`` without one to start at.

    Example:
        >>> import torch
        >>> from diffeo.inference.vae import Gaussian
        >>> Gaussian(scale=2.0).log_prob(torch.zeros(1), torch.zeros(1, 1))
        tensor([-1.6121])
    """

    log_scale: Tensor
    has_rsample = True

    def __init__(self, scale: float | None = None, *, learned: bool = False) -> None:
        super().__init__()
        if scale is None and learned:
            raise ValueError("Gaussian: learned=True needs a scale to start at, e.g. scale=1.0")
        if scale is not None and not (math.isfinite(scale) and scale > 0):
            raise ValueError(f"Gaussian: scale must be positive, or None, got {scale!r}")
        self.support = Real()
        self.num_params = 2 if scale is None else 1
        start = torch.tensor(math.log(1.0 if scale is None else scale))
        if learned:
            self.log_scale = nn.Parameter(start)
        else:
            self.register_buffer("log_scale", start)

    def _log_scale(self, params: Tensor) -> Tensor:
        return self.log_scale if self.num_params == 1 else soft_bound(params[1])

    def log_prob(self, x: Tensor, params: Tensor) -> Tensor:
        log_scale = self._log_scale(params)
        residual = (x - params[0]) * torch.exp(-log_scale)
        return -0.5 * (residual.square() + LOG_2PI) - log_scale

    def sample(self, params: Tensor, generator: torch.Generator | None = None) -> Tensor:
        loc = params[0]
        noise = torch.randn(loc.shape, generator=generator, dtype=loc.dtype, device=loc.device)
        return loc + self._log_scale(params).exp() * noise

    def mean(self, params: Tensor) -> Tensor:
        return params[0]


class DiscretisedLogistic(Likelihood):
    """x is a level 0, ..., L - 1, the one into whose bin a logistic variable falls:

        P(x) = sigmoid((v + h - m) / s) - sigmoid((v - h - m) / s),   v = 2 x / (L - 1) - 1,

    with h = 1 / (L - 1); the bins of the first and the last level reach to infinity. The two
    parameters are m and log s, on the scale of v in [-1, 1], which is also what the encoder sees;
    log s is smoothly bounded by log 1000.

    Args:
        levels: number L of levels; 256 for bytes.

    Raises:
        ValueError: fewer than 2 levels.

    Reference: "PixelCNN++: Improving the PixelCNN with Discretized Logistic Mixture Likelihood and
    Other Modifications", Salimans, Karpathy, Chen, Kingma, 2017, arXiv:1701.05517; "Improved
    Variational Inference with Inverse Autoregressive Flow", Kingma, Salimans, Jozefowicz, Chen,
    Sutskever, Welling, 2016, arXiv:1606.04934.

    Example:
        >>> import torch
        >>> from diffeo.inference.vae import DiscretisedLogistic
        >>> levels = torch.arange(256.0)
        >>> log_p = DiscretisedLogistic().log_prob(levels, torch.zeros(2, 256))
        >>> log_p.exp().sum().round(decimals=4)
        tensor(1.)
    """

    num_params = 2

    def __init__(self, levels: int = 256) -> None:
        super().__init__()
        if isinstance(levels, bool) or not isinstance(levels, int) or levels < 2:
            raise ValueError(
                f"DiscretisedLogistic: levels must be a whole number >= 2, got {levels!r}"
            )
        self.levels = levels
        self.support = integers(0, levels - 1)

    def scaled(self, x: Tensor) -> Tensor:
        return 2 * x / (self.levels - 1) - 1

    def log_prob(self, x: Tensor, params: Tensor) -> Tensor:
        loc, rate = params[0], torch.exp(-soft_bound(params[1]))
        half = 1 / (self.levels - 1)
        middle = self.scaled(x) - loc
        below = F.logsigmoid((middle + half) * rate)
        above = F.logsigmoid((half - middle) * rate)
        # sigmoid(a) - sigmoid(b) = sigmoid(a) sigmoid(-b) (1 - exp(b - a)): nothing cancels
        within = torch.log(-torch.expm1(-2 * half * rate))
        inner = below + above + within
        return torch.where(x <= 0, below, torch.where(x >= self.levels - 1, above, inner))

    def sample(self, params: Tensor, generator: torch.Generator | None = None) -> Tensor:
        loc, scale = params[0], soft_bound(params[1]).exp()
        u = torch.rand(loc.shape, generator=generator, dtype=loc.dtype, device=loc.device)
        drawn = loc + scale * torch.logit(u, eps=torch.finfo(u.dtype).eps)
        return ((drawn + 1) / 2 * (self.levels - 1)).round().clamp(0, self.levels - 1)

    def mean(self, params: Tensor) -> Tensor:
        loc, rate = params[0], torch.exp(-soft_bound(params[1]))
        total = torch.zeros_like(loc)
        # E[x] is the sum of P(x > k)
        for k in range(self.levels - 1):
            edge = (2 * k + 1) / (self.levels - 1) - 1
            total = total + torch.sigmoid((loc - edge) * rate)
        return total
