"""Multi-layer perceptrons that read an input and a context."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from diffeo.checks import check_context
from diffeo.described import Described
from diffeo.nets.layers import OutputLinear

__all__ = ["MLP", "ResidualMLP"]


class _InputLayer(nn.Module):
    """W x + C c + b. The context has weights of its own, so it broadcasts without being copied."""

    def __init__(self, in_features: int, width: int, context: int) -> None:
        super().__init__()
        # one initialisation over all inputs, as a linear layer on [x, c] would have
        joint = nn.Linear(max(in_features + context, 1), width)
        self.weight = nn.Parameter(joint.weight[:, :in_features].detach().clone())
        self.context_weight = (
            nn.Parameter(joint.weight[:, in_features:].detach().clone()) if context else None
        )
        self.bias = nn.Parameter(joint.bias.detach().clone())

    def forward(self, x: Tensor, context: Tensor | None, mask: Tensor | None = None) -> Tensor:
        if torch.is_autocast_enabled(x.device.type):
            # 8 bits of an input would blur where a flow bends
            with torch.autocast(x.device.type, enabled=False):
                dtype = self.bias.dtype
                seen = None if context is None else context.to(dtype)
                return self.forward(x.to(dtype), seen, mask)
        weight = self.weight if mask is None else self.weight * mask
        h = F.linear(x, weight, self.bias)
        if self.context_weight is None or context is None:
            return h
        return h + F.linear(context, self.context_weight)


def _residual_width(name: str, hidden: Sequence[int]) -> int:
    if len(set(hidden)) != 1:
        raise ValueError(f"{name} needs hidden layers of one width, got {tuple(hidden)}")
    return hidden[0]


class MLP(Described, nn.Module):
    """Multi-layer perceptron with SiLU activations whose last layer starts at zero.

    Args:
        in_features: width of ``x``; 0 is allowed (the output then depends on context alone).
        out_features: width of the output.
        hidden: widths of the hidden layers, at least one.
        context: width of the context; 0 for none.

    Shapes: x (*batch, in_features), context (*batch, context) -> (*batch, out_features).

    Raises:
        ContextError: at a call, for a missing context or one of another width.

    Example:
        >>> import torch, diffeo
        >>> diffeo.nets.MLP(2, 6, context=3)(torch.zeros(5, 2), torch.zeros(5, 3)).shape
        torch.Size([5, 6])
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        hidden: Sequence[int] = (128, 128),
        context: int = 0,
    ) -> None:
        super().__init__()
        if not hidden:
            raise ValueError("hidden must name at least one layer's width, got none")
        self.context = context
        self.input = _InputLayer(in_features, hidden[0], context)
        self.hidden = nn.ModuleList(
            nn.Linear(before, after) for before, after in itertools.pairwise(hidden)
        )
        self.output = OutputLinear(hidden[-1], out_features)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        check_context(self, context, self.context)
        h = F.silu(self.input(x, context))
        for layer in self.hidden:
            h = F.silu(layer(h))
        out: Tensor = self.output(h)
        return out


class _ResidualBlock(nn.Module):
    """h + V silu(W silu(h)), V zero at first."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(width, width)
        self.second = nn.Linear(width, width)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    def forward(self, h: Tensor, mask: Tensor | None = None) -> Tensor:
        first, second = self.first.weight, self.second.weight
        if mask is not None:
            first, second = first * mask, second * mask
        inner = F.linear(F.silu(h), first, self.first.bias)
        return h + F.linear(F.silu(inner), second, self.second.bias)


class ResidualMLP(Described, nn.Module):
    """Residual network: a linear layer, pre-activation blocks of one width, a linear layer.

    Args:
        in_features: width of ``x``; 0 is allowed.
        out_features: width of the output.
        hidden: one equal width a block.
        context: width of the context; 0 for none.

    Shapes: x (*batch, in_features), context (*batch, context) -> (*batch, out_features).

    Raises:
        ValueError: hidden widths that differ.
        ContextError: at a call, for a missing context or one of another width.

    Reference: "Identity Mappings in Deep Residual Networks", He, Zhang, Ren, Sun, 2016,
    arXiv:1603.05027.

    Example:
        >>> import torch, diffeo
        >>> diffeo.nets.ResidualMLP(2, 6, hidden=(32, 32))(torch.zeros(5, 2)).shape
        torch.Size([5, 6])
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        hidden: Sequence[int] = (128, 128),
        context: int = 0,
    ) -> None:
        super().__init__()
        width = _residual_width("ResidualMLP", hidden)
        self.context = context
        self.input = _InputLayer(in_features, width, context)
        self.blocks = nn.ModuleList(_ResidualBlock(width) for _ in hidden)
        self.output = OutputLinear(width, out_features)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        check_context(self, context, self.context)
        h = self.input(x, context)
        for block in self.blocks:
            h = block(h)
        out: Tensor = self.output(F.silu(h))
        return out
