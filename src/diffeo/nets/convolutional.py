"""Convolutional networks that read an image and a context."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from diffeo.checks import check_context
from diffeo.described import Described

__all__ = ["ConvNet", "ResidualConvNet", "ZeroConv"]


class _InputConv(nn.Module):
    """A 3 x 3 convolution of the image, plus a linear map of the context at every pixel.

    Under autocast it keeps full precision: 8 bits of an input would blur where a flow bends.
    """

    def __init__(self, in_channels: int, width: int, context: int) -> None:
        super().__init__()
        self.image = nn.Conv2d(in_channels, width, 3, padding=1)
        self.context = nn.Linear(context, width, bias=False) if context else None

    def forward(self, x: Tensor, context: Tensor | None) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            h: Tensor = self.image(x.to(self.image.weight.dtype))
            if self.context is None or context is None:
                return h
            return h + self.context(context.to(h.dtype))[..., None, None]


class _OutputConv(nn.Conv2d):
    """Last layer of a conditioner: all zero at first, so that the layer starts at the identity.

    Under autocast it keeps full precision, as ``nets.layers.feature_major_linear`` does.
    """

    def __init__(self, width: int, out_channels: int) -> None:
        super().__init__(width, out_channels, 3, padding=1)

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, h: Tensor) -> Tensor:
        with torch.autocast(h.device.type, enabled=False):
            return super().forward(h.to(self.weight.dtype))


class _ImageNetwork(Described, nn.Module, ABC):
    """Flattens several batch axes into the one that convolutions take.

    Args:
        context: width of the context; 0 for none.
    """

    def __init__(self, context: int) -> None:
        super().__init__()
        self.context = context

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        check_context(self, context, self.context)
        batch = x.shape[:-3]
        if context is not None and self.context:
            context = context.expand(*batch, self.context).reshape(-1, self.context)
        out = self._run(x.reshape(-1, *x.shape[-3:]), context if self.context else None)
        return out.reshape(*batch, *out.shape[-3:])

    @abstractmethod
    def _run(self, x: Tensor, context: Tensor | None) -> Tensor:
        """Images (N, C, H, W), context (N, context)."""


class ZeroConv(_ImageNetwork):
    """One 3 x 3 convolution that starts at zero.

    Args:
        in_channels: channels of ``x``.
        out_channels: channels of the output.

    Shapes: x (*batch, in_channels, H, W) -> (*batch, out_channels, H, W).

    Example:
        >>> import torch, diffeo
        >>> diffeo.nets.ZeroConv(2, 6)(torch.zeros(5, 2, 8, 8)).shape
        torch.Size([5, 6, 8, 8])
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(context=0)
        self.output = _OutputConv(in_channels, out_channels)

    def _run(self, x: Tensor, context: Tensor | None) -> Tensor:
        out: Tensor = self.output(x)
        return out


class ConvNet(_ImageNetwork):
    """Convolutions of 3 x 3, 1 x 1 and 3 x 3 with SiLU between them; the last one starts at zero.

    Args:
        in_channels: channels of ``x``.
        out_channels: channels of the output.
        hidden: channels of the hidden layers.
        context: width of the context; 0 for none.

    Shapes: x (*batch, in_channels, H, W), context (*batch, context) ->
    (*batch, out_channels, H, W).

    Raises:
        ContextError: at a call, for a missing context or one of another width.

    Reference: "Glow: Generative Flow with Invertible 1x1 Convolutions", Kingma, Dhariwal, 2018,
    arXiv:1807.03039 (appendix B).

    Example:
        >>> import torch, diffeo
        >>> diffeo.nets.ConvNet(2, 6)(torch.zeros(5, 2, 8, 8)).shape
        torch.Size([5, 6, 8, 8])
    """

    def __init__(
        self, in_channels: int, out_channels: int, hidden: int = 64, context: int = 0
    ) -> None:
        super().__init__(context)
        self.input = _InputConv(in_channels, hidden, context)
        self.middle = nn.Conv2d(hidden, hidden, 1)
        self.output = _OutputConv(hidden, out_channels)

    def _run(self, x: Tensor, context: Tensor | None) -> Tensor:
        h = F.silu(self.input(x, context))
        out: Tensor = self.output(F.silu(self.middle(h)))
        return out


class ResidualConvNet(_ImageNetwork):
    """A 3 x 3 convolution, pre-activation residual blocks, and a 3 x 3 convolution of zeros.

    A block adds two 3 x 3 convolutions; ``gated``, it adds a sigmoid gate times them, and with
    ``attention`` each block ends in self-attention over all pixels.

    Args:
        in_channels: channels of ``x``.
        out_channels: channels of the output.
        hidden: channels of the hidden layers.
        blocks: residual blocks.
        gated: gate what a block adds.
        attention: heads of the attention after each block; 0 for none.
        dropout: share of the activations inside a block that are dropped in training.
        context: width of the context; 0 for none.

    Shapes: x (*batch, in_channels, H, W), context (*batch, context) ->
    (*batch, out_channels, H, W).

    Raises:
        ValueError: hidden channels that the heads do not divide.
        ContextError: at a call, for a missing context or one of another width.

    Reference: "Density estimation using Real NVP", Dinh, Sohl-Dickstein, Bengio, 2016,
    arXiv:1605.08803; "Flow++: Improving Flow-Based Generative Models with Variational
    Dequantization and Architecture Design", Ho, Chen, Srinivas, Duan, Abbeel, 2019,
    arXiv:1902.00275 (section 3.3; gates and attention).

    Example:
        >>> import torch, diffeo
        >>> net = diffeo.nets.ResidualConvNet(2, 6, hidden=16, blocks=2, attention=4)
        >>> net(torch.zeros(5, 2, 8, 8)).shape
        torch.Size([5, 6, 8, 8])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        hidden: int = 64,
        blocks: int = 2,
        *,
        gated: bool = False,
        attention: int = 0,
        dropout: float = 0.0,
        context: int = 0,
    ) -> None:
        super().__init__(context)
        if attention and hidden % attention:
            raise ValueError(
                f"ResidualConvNet: {attention} heads do not divide {hidden} hidden channels"
            )
        self.input = _InputConv(in_channels, hidden, context)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                _Block(hidden, gated=gated, dropout=dropout),
                *([_Attention(hidden, attention)] if attention else []),
            )
            for _ in range(blocks)
        )
        self.output = _OutputConv(hidden, out_channels)

    def _run(self, x: Tensor, context: Tensor | None) -> Tensor:
        h = self.input(x, context)
        for block in self.blocks:
            h = block(h)
        out: Tensor = self.output(F.silu(h))
        return out


class _Block(nn.Module):
    """h + V silu(W silu(norm h)), gated or not; V starts at zero."""

    def __init__(self, width: int, *, gated: bool, dropout: float) -> None:
        super().__init__()
        self.gated = gated
        self.dropout = dropout
        self.norm = nn.GroupNorm(1, width)
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width * (2 if gated else 1), 3, padding=1)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)  # type: ignore[arg-type]

    def forward(self, h: Tensor) -> Tensor:
        inner = F.silu(self.first(F.silu(self.norm(h))))
        added: Tensor = self.second(F.dropout(inner, self.dropout, self.training))
        return h + (F.glu(added, dim=1) if self.gated else added)


class _Attention(nn.Module):
    """h + self-attention over the pixels, which starts at zero."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(1, width)
        self.into = nn.Conv2d(width, 3 * width, 1)
        self.out = nn.Conv2d(width, width, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def forward(self, h: Tensor) -> Tensor:
        parts = self.into(self.norm(h)).flatten(2).unflatten(1, (3, self.heads, -1))
        # (N, 3, heads, width of a head, pixels)
        query, key, value = parts.transpose(-1, -2).unbind(1)
        seen = F.scaled_dot_product_attention(query, key, value)
        added: Tensor = self.out(seen.transpose(-1, -2).flatten(1, 2).unflatten(-1, h.shape[-2:]))
        return h + added
