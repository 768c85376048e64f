"""Masked networks (MADE): output block i sees only the inputs before i, and the context."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from diffeo.checks import check_context
from diffeo.described import Described
from diffeo.errors import ShapeError
from diffeo.nets.layers import OutputLinear, feature_major_linear
from diffeo.nets.mlp import _InputLayer, _residual_width, _ResidualBlock

__all__ = ["MaskedMLP", "MaskedResidualMLP"]


def _positions(features: int, order: Sequence[int] | None) -> Tensor:
    """Position 1..D of each feature in the autoregressive order."""
    order = range(features) if order is None else order
    if sorted(order) != list(range(features)):
        raise ShapeError(f"order must be a permutation of 0..{features - 1}, got {list(order)}")
    positions = torch.empty(features, dtype=torch.long)
    positions[torch.tensor(list(order))] = torch.arange(1, features + 1)
    return positions


def _degrees(width: int, features: int, context: int) -> Tensor:
    """Degrees up to D-1 of hidden units, spread evenly and sorted.

    Units of degree 0 see the context alone; they exist only where there is one (or nothing else).
    """
    lowest = 0 if context or features == 1 else 1
    return lowest + torch.arange(width) * (features - lowest) // width


class _Masks(nn.Module):
    """The masks of one MADE, multiplied onto the weights at each use.

    Masking at use, not once, keeps the network autoregressive whatever writes its weights.
    """

    input: Tensor
    output: Tensor

    def __init__(
        self,
        features: int,
        blocks: int,
        hidden: Sequence[int],
        order: Sequence[int] | None,
        context: int,
        inputs: int,
    ) -> None:
        super().__init__()
        positions = _positions(features, order)
        degrees = [_degrees(width, features, context) for width in hidden]
        before = [positions.repeat(inputs), *degrees[:-1]]
        for index, (source, target) in enumerate(zip(before, degrees, strict=True)):
            mask = target[:, None] >= source[None, :]
            self.register_buffer(f"hidden{index}", mask, persistent=False)
        output = positions.repeat(blocks)[:, None] > degrees[-1][None, :]
        self.register_buffer("output", output, persistent=False)

    def hidden(self, index: int) -> Tensor:
        mask: Tensor = getattr(self, f"hidden{index}")
        return mask


class _MaskedOutput(OutputLinear):
    def forward(self, h: Tensor, mask: Tensor | None = None) -> Tensor:
        weight = self.weight if mask is None else self.weight * mask
        return feature_major_linear(h, weight, self.bias)


class MaskedMLP(Described, nn.Module):
    """Masked multi-layer perceptron: output block i depends on inputs before i and the context.

    Args:
        features: number of features D.
        blocks: number of outputs a feature; the output is read as (blocks, D).
        hidden: widths of the hidden layers, at least one.
        order: the features in autoregressive order; by default 0..D-1.
        context: width of the context; 0 for none.
        inputs: number of inputs a feature; x is read as (inputs, D).

    Shapes: x (*batch, inputs * D), context (*batch, context) -> (*batch, blocks * D).

    Raises:
        ShapeError: ``order`` is not a permutation.
        ContextError: at a call, for a missing context or one of another width.

    Reference: "MADE: Masked Autoencoder for Distribution Estimation", Germain, Gregor, Murray,
    Larochelle, 2015, arXiv:1502.03509.

    Example:
        >>> import torch, diffeo
        >>> diffeo.nets.MaskedMLP(3, blocks=2)(torch.zeros(5, 3)).shape
        torch.Size([5, 6])
    """

    def __init__(
        self,
        features: int,
        blocks: int,
        hidden: Sequence[int] = (128, 128),
        order: Sequence[int] | None = None,
        context: int = 0,
        inputs: int = 1,
    ) -> None:
        super().__init__()
        if not hidden:
            raise ValueError("hidden must name at least one layer's width, got none")
        self.context = context
        self.masks = _Masks(features, blocks, hidden, order, context, inputs)
        self.input = _InputLayer(inputs * features, hidden[0], context)
        self.hidden = nn.ModuleList(
            nn.Linear(before, after) for before, after in itertools.pairwise(hidden)
        )
        self.output = _MaskedOutput(hidden[-1], blocks * features)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        check_context(self, context, self.context)
        h = F.silu(self.input(x, context, self.masks.hidden(0)))
        for index, layer in enumerate(self.hidden, start=1):
            assert isinstance(layer, nn.Linear)
            h = F.silu(F.linear(h, layer.weight * self.masks.hidden(index), layer.bias))
        out: Tensor = self.output(h, self.masks.output)
        return out


class MaskedResidualMLP(Described, nn.Module):
    """Masked residual network: the autoregressive structure of MaskedMLP in pre-activation blocks.

    Args:
        features: number of features D.
        blocks: number of outputs a feature; the output is read as (blocks, D).
        hidden: one equal width a residual block.
        order: the features in autoregressive order; by default 0..D-1.
        context: width of the context; 0 for none.
        inputs: number of inputs a feature; x is read as (inputs, D).

    Shapes: x (*batch, inputs * D), context (*batch, context) -> (*batch, blocks * D).

    Raises:
        ValueError: hidden widths that differ.
        ShapeError: ``order`` is not a permutation.
        ContextError: at a call, for a missing context or one of another width.

    Reference: "Neural Spline Flows", Durkan, Bekasov, Murray, Papamakarios, 2019,
    arXiv:1906.04032 (appendix B).

    Example:
        >>> import torch, diffeo
        >>> diffeo.nets.MaskedResidualMLP(3, blocks=2, hidden=(32, 32))(torch.zeros(5, 3)).shape
        torch.Size([5, 6])
    """

    def __init__(
        self,
        features: int,
        blocks: int,
        hidden: Sequence[int] = (128, 128),
        order: Sequence[int] | None = None,
        context: int = 0,
        inputs: int = 1,
    ) -> None:
        super().__init__()
        width = _residual_width("MaskedResidualMLP", hidden)
        self.context = context
        self.masks = _Masks(features, blocks, (width, width), order, context, inputs)
        self.input = _InputLayer(inputs * features, width, context)
        self.blocks = nn.ModuleList(_ResidualBlock(width) for _ in hidden)
        self.output = _MaskedOutput(width, blocks * features)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        check_context(self, context, self.context)
        h = self.input(x, context, self.masks.hidden(0))
        for block in self.blocks:
            h = block(h, self.masks.hidden(1))
        out: Tensor = self.output(F.silu(h), self.masks.output)
        return out
