"""Standardisation of contexts."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from diffeo.described import Described

__all__ = ["StandardizeContext"]


class StandardizeContext(Described, nn.Module):
    """(c - mean) / scale, with mean and scale of the data's contexts.

    The identity before ``initialize``.

    Args:
        context: width of the context.

    Shapes: context (*batch, context) -> the same.

    Example:
        >>> import torch, diffeo
        >>> layer = diffeo.nets.StandardizeContext(1)
        >>> layer.initialize(torch.tensor([[1.0], [3.0]]))
        >>> layer(torch.tensor([[3.0]]))
        tensor([[1.]])
    """

    mean: Tensor
    scale: Tensor
    initialized: Tensor

    def __init__(self, context: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(context))
        self.register_buffer("scale", torch.ones(context))
        self.register_buffer("initialized", torch.tensor(False))

    def forward(self, context: Tensor) -> Tensor:
        return (context - self.mean) / self.scale

    @torch.no_grad()
    def initialize(self, context: Tensor) -> None:
        """Take mean and scale from a batch (*batch, context), once."""
        if self.initialized:
            return
        mean, scale = column_moments(context)
        self.mean.copy_(mean)
        self.scale.copy_(scale)
        self.initialized.fill_(True)


def column_moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation over all rows, float64; a scale of 0 becomes 1."""
    # float64: the variance of values far from 0 cancels in float32
    rows = x.reshape(-1, x.shape[-1]).to("cpu", torch.float64)
    scale = rows.std(0, unbiased=False)
    return rows.mean(0), torch.where(scale > 0, scale, 1.0)
