"""Masked networks of any sparsity: output block i sees the inputs that a matrix names."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from diffeo.checks import check_context
from diffeo.described import Described
from diffeo.errors import ShapeError
from diffeo.nets.masked import _MaskedOutput
from diffeo.nets.mlp import _InputLayer

__all__ = ["GraphMLP"]


class GraphMLP(Described, nn.Module):
    """Masked multi-layer perceptron: output block i depends on the inputs j with adjacency[i][j],
    on all of them, and on the context.

    Every hidden unit stands for the set of inputs that some output sees, and reads the units of the
    layer below whose sets lie within its own; so does an output.

    Args:
        adjacency: booleans (outputs, inputs).
        blocks: number of numbers an output; the output is read as (blocks, outputs).
        hidden: widths of the hidden layers, at least one, each with a unit or more for every
            different set of inputs that outputs see.
        context: width of the context; 0 for none.

    Shapes: x (*batch, inputs), context (*batch, context) -> (*batch, blocks * outputs).

    Raises:
        ShapeError: an adjacency that is no matrix, or a layer too narrow for its sets.
        ContextError: at a call, for a missing context or one of another width.

    Reference: "MADE: Masked Autoencoder for Distribution Estimation", Germain, Gregor, Murray,
    Larochelle, 2015, arXiv:1502.03509 (masks); "Graphical Normalizing Flows", Wehenkel, Louppe,
    2020, arXiv:2006.02548 (graphs).

    Example:
        >>> import torch, diffeo
        >>> net = diffeo.nets.GraphMLP([[False, False], [True, False]], blocks=3)
        >>> net(torch.zeros(5, 2)).shape
        torch.Size([5, 6])
    """

    def __init__(
        self,
        adjacency: Sequence[Sequence[bool]] | Tensor,
        blocks: int,
        hidden: Sequence[int] = (128, 128),
        context: int = 0,
    ) -> None:
        super().__init__()
        seen = torch.as_tensor(adjacency).bool().cpu()
        if seen.ndim != 2 or not len(seen):
            raise ShapeError(
                f"GraphMLP: the adjacency must be a matrix (outputs, inputs), got shape "
                f"{tuple(seen.shape)}"
            )
        if not hidden:
            raise ValueError("hidden must name at least one layer's width, got none")
        self.context = context
        sets = _sets(seen, context)
        if min(hidden) < len(sets):
            raise ShapeError(
                f"GraphMLP: its outputs see {len(sets)} different sets of inputs, each of which "
                f"needs a unit of every hidden layer; got hidden={tuple(hidden)}"
            )
        units = [sets[torch.arange(width) * len(sets) // width] for width in hidden]
        sources = [torch.eye(seen.shape[1], dtype=torch.bool), *units]
        for index, (source, target) in enumerate(itertools.pairwise([*sources, seen])):
            mask = _within(source, target)
            last = index == len(hidden)
            self.register_buffer(
                f"mask{index}", mask.repeat(blocks, 1) if last else mask, persistent=False
            )
        self.input = _InputLayer(seen.shape[1], hidden[0], context)
        self.hidden = nn.ModuleList(
            nn.Linear(before, after) for before, after in itertools.pairwise(hidden)
        )
        self.output = _MaskedOutput(hidden[-1], blocks * len(seen))

    def _mask(self, index: int) -> Tensor:
        mask: Tensor = getattr(self, f"mask{index}")
        return mask

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        check_context(self, context, self.context)
        h = F.silu(self.input(x, context, self._mask(0)))
        for index, layer in enumerate(self.hidden, start=1):
            assert isinstance(layer, nn.Linear)
            h = F.silu(F.linear(h, layer.weight * self._mask(index), layer.bias))
        out: Tensor = self.output(h, self._mask(len(self.hidden) + 1))
        return out


def _sets(seen: Tensor, context: int) -> Tensor:
    """The different sets of inputs that outputs see, (sets, inputs), small ones first.

    The empty set needs units only where there is a context to read, or nothing else.
    """
    if not seen.shape[1]:
        return seen[:1]
    sets = seen.unique(dim=0)
    sets = sets[sets.sum(1).argsort(stable=True)]
    return sets[sets.any(1)] if sets.any() and not context else sets


def _within(source: Tensor, target: Tensor) -> Tensor:
    """(targets, sources): whether the set of a source lies within that of a target."""
    return ~(source[None] & ~target[:, None]).any(-1)
