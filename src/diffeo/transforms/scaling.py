"""Affine layers that take their scale from data: Standardize and ActNorm."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from diffeo import kernels
from diffeo.checks import check_event, check_features
from diffeo.nets.standardize import column_moments
from diffeo.transform import Transform
from diffeo.univariates.bounded import soft_bound

__all__ = ["ActNorm", "Scaling", "Standardize", "gained"]

Affine = tuple[Tensor, Tensor, Tensor]


class Scaling(Transform):
    """y = shift + scale * x, feature by feature.

    Args:
        features: number of features D.
    """

    def __init__(self, features: int) -> None:
        check_features(type(self).__name__, features)
        super().__init__((features,))

    @abstractmethod
    def _affine(self) -> Affine:
        """Shift, scale and log-scale."""

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        check_event(self, x, self.in_shape)
        shift, scale, log_scale = self._affine()
        return shift + scale * x, log_scale.sum().expand(x.shape[:-1])

    def inverse(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        check_event(self, y, self.in_shape)
        return self._undo(y, self._affine())

    def _undo(self, y: Tensor, affine: Affine) -> tuple[Tensor, Tensor]:
        shift, scale, log_scale = affine
        return (y - shift) / scale, -log_scale.sum().expand(y.shape[:-1])


def gained(mean: Tensor, scale: Tensor, shift: Tensor, log_gain: Tensor) -> Affine:
    """mean + scale * (x exp(s) + t) with bounded s, as shift, scale and log-scale."""
    log_gain = soft_bound(log_gain)
    return mean + scale * shift, scale * log_gain.exp(), scale.log() + log_gain


class Standardize(Scaling):
    """y = mean + scale * x with mean and scale of the data, fixed after ``initialize``.

    Before ``initialize`` it is the identity. ``initialize`` acts once: a layer whose buffer
    ``initialized`` is true stays as it is. Ignores context.

    Args:
        features: number of features D.

    Shapes: x (*batch, D).

    Raises:
        ShapeError: events of another shape.

    Example:
        >>> import torch, diffeo
        >>> layer = diffeo.transforms.Standardize(1)
        >>> layer.initialize(torch.tensor([[1.0], [3.0]]))
        >>> layer.inverse(torch.tensor([[3.0]]))[0]
        tensor([[1.]])
    """

    mean: Tensor
    scale: Tensor
    initialized: Tensor
    data_dependent = True
    lossless = True

    def __init__(self, features: int) -> None:
        super().__init__(features)
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))
        self.register_buffer("initialized", torch.tensor(False))

    def _affine(self) -> Affine:
        return self.mean, self.scale, self.scale.log()

    def kernel_steps(self, *, inverted: bool) -> Sequence[kernels.Step]:
        shift, scale, log_scale = self._affine()
        log_det = log_scale.sum()
        return [kernels.Diagonal(scale, shift, -log_det if inverted else log_det, inverted)]

    @torch.no_grad()
    def initialize(self, y: Tensor, context: Tensor | None = None) -> None:
        check_event(self, y, self.in_shape)
        if self.initialized:
            return
        mean, scale = column_moments(y)
        self.mean.copy_(mean)
        self.scale.copy_(scale)
        self.initialized.fill_(True)


class ActNorm(Standardize):
    """y = mean + scale * (x exp(s) + t), with learned s and t on top of the data's mean and scale.

    ``initialize`` sets mean and scale from a batch (once, as in Standardize), so that with
    s = t = 0, where both start, the inverse of that batch has mean 0 and variance 1. s is bounded
    smoothly by log 1000. Ignores context.

    Args:
        features: number of features D.

    Shapes: x (*batch, D).

    Raises:
        ShapeError: events of another shape.

    Reference: "Glow: Generative Flow with Invertible 1x1 Convolutions", Kingma, Dhariwal, 2018,
    arXiv:1807.03039 (section 3.1).

    Example:
        >>> import torch, diffeo
        >>> layer = diffeo.transforms.ActNorm(2)
        >>> layer.initialize(torch.randn(100, 2) * 5 + 3)
    """

    def __init__(self, features: int) -> None:
        super().__init__(features)
        self.shift = nn.Parameter(torch.zeros(features))
        self.log_scale = nn.Parameter(torch.zeros(features))

    def _affine(self) -> Affine:
        return gained(self.mean, self.scale, self.shift, self.log_scale)
