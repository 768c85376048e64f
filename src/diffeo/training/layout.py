"""Where the numbers of a convolution stand in memory."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["channels_last"]


def channels_last(model: nn.Module) -> None:
    """Lay out the weights of all convolutions with channels innermost; their results follow suit.

    Half-precision convolutions of CUDA are written for that layout.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            weight = module.weight.data
            module.weight.data = weight.contiguous(memory_format=torch.channels_last)
