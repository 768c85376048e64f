"""Masked networks (MADE): output block i sees only the inputs before i, and the context."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from diffeo.checks import check_context
from diffeo.described import Described
from diffeo.errors import ShapeError
from diffeo.nets.incremental import Find, Staircase
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

    output: Tensor
    order: Tensor

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
        # as a list too, which tracing can read
        self.features: list[int] = positions.argsort().tolist()
        self.register_buffer("order", torch.tensor(self.features), persistent=False)
        # where the inputs, the hidden units and the outputs of each position begin, in its order
        ends = torch.arange(features + 1)
        self.edges: list[list[int]] = [
            (ends * inputs).tolist(),
            *(torch.searchsorted(each, ends).tolist() for each in degrees),
            (ends * blocks).tolist(),
        ]

    def hidden(self, index: int) -> Tensor:
        mask: Tensor = getattr(self, f"hidden{index}")
        return mask


class _MaskedOutput(OutputLinear):
    def forward(self, h: Tensor, mask: Tensor | None = None) -> Tensor:
        weight = self.weight if mask is None else self.weight * mask
        return feature_major_linear(h, weight, self.bias)


class _MaskedNetwork(Described, nn.Module, ABC):
    """A masked network whose outputs are found together, or one position after another."""

    context: int
    masks: _Masks
    input: _InputLayer
    output: _MaskedOutput

    @abstractmethod
    def _staircase(self) -> tuple[list[nn.Linear], Staircase]:
        """The layers between the first and the last, and how all of them are climbed."""

    def in_order(self, find: Find, rows: int, context: Tensor | None = None) -> None:
        """Outputs of one feature after another, each before its own inputs are known.

        All calls together cost the arithmetic of one pass, less the zero half of the weights.
        (Under autocast it keeps full precision, as roundings of partial sums would add up.) A
        subclass that changes ``forward`` must change this with it.

        Args:
            find: called for each feature, in order, with its index and its outputs
                (blocks, rows); returns its inputs (inputs, rows).
            rows: number of rows.
            context: (rows, context), or (1, context) for all of them.

        Raises:
            ContextError: a missing context, or one of another width.
        """
        check_context(self, context, self.context)
        with torch.autocast(self.output.weight.device.type, enabled=False):
            layers, staircase = self._staircase()
            order = self.masks.order
            by_feature = (self.output.weight, self.output.bias)
            last, last_bias = (
                each.unflatten(0, (-1, len(order)))[:, order].transpose(0, 1).flatten(0, 1)
                for each in by_feature
            )
            first = self.input.weight.unflatten(1, (-1, len(order)))[..., order].mT.flatten(1)
            weights = [first, *(layer.weight for layer in layers), last]
            biases = [*(layer.bias[:, None] for layer in layers), last_bias[:, None]]
            pending = [self._shift(context), *biases]
            features = self.masks.features
            staircase.climb(
                weights,
                [each.expand(-1, rows) for each in pending],
                lambda p, out: find(features[p], out).to(first.dtype),
            )

    def _shift(self, context: Tensor | None) -> Tensor:
        """What the first layer's units get beside the inputs, (width, rows) or (width, 1)."""
        bias, weight = self.input.bias, self.input.context_weight
        if weight is None or context is None:
            return bias[:, None]
        return torch.addmm(bias[:, None], weight, context.to(weight.dtype).t())


class MaskedMLP(_MaskedNetwork):
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

    def _staircase(self) -> tuple[list[nn.Linear], Staircase]:
        layers: list[nn.Linear] = list(self.hidden)  # type: ignore[arg-type]
        return layers, Staircase(self.masks.edges, residual=False)


class MaskedResidualMLP(_MaskedNetwork):
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

    def _staircase(self) -> tuple[list[nn.Linear], Staircase]:
        blocks: list[_ResidualBlock] = list(self.blocks)  # type: ignore[arg-type]
        layers = [layer for block in blocks for layer in (block.first, block.second)]
        # the units of every layer have the same degrees
        inputs, units, *_, outputs = self.masks.edges
        edges = [inputs, *[units] * (1 + len(layers)), outputs]
        return layers, Staircase(edges, residual=True)
