"""What the kernels need to know of a layer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar, Protocol

from torch import Tensor
from torch.nn import functional as F

__all__ = [
    "MOST_BINS",
    "MOST_LINEARS",
    "MOST_PLANAR",
    "Conditioned",
    "Diagonal",
    "Layer",
    "Matrix",
    "Permuted",
    "Planar",
    "Step",
    "TwoWayLayer",
]

# what the kernels have room for: bins of a spline, linear layers, features of a planar layer
MOST_BINS, MOST_LINEARS, MOST_PLANAR = 64, 16, 64


class Layer(Protocol):
    """What a step needs of the layer that it stands for."""

    def _plain_forward(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]: ...

    def kernel_steps(self, *, inverted: bool) -> Sequence[Step] | None: ...


class TwoWayLayer(Layer, Protocol):
    """A layer with steps for both directions."""

    def _plain_inverse(self, y: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]: ...


class Step(ABC):
    """One layer of a stack, in one direction.

    Attributes:
        reversible: whether its input can be found from its output without a solver.
    """

    reversible: ClassVar[bool] = True

    @property
    @abstractmethod
    def parameters(self) -> tuple[Tensor, ...]:
        """What it is differentiable in, besides its input and context."""

    @abstractmethod
    def words(self, values: Iterator[int], gradients: Iterator[int]) -> list[int]:
        """The step as whole numbers, given where its parameters and their gradients lie.

        It takes as many of both as it has parameters.
        """

    @abstractmethod
    def plain(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """The same map in plain PyTorch, on (rows, D) and a context (rows, width)."""

    def current(self) -> tuple[Tensor, ...]:
        """The parameters that ``plain`` uses."""
        return self.parameters

    def numbers(self) -> tuple[float, ...]:
        """The step's real numbers."""
        return ()

    def reads(self) -> int:
        """Width of the context that it reads."""
        return 0


@dataclass(eq=False, slots=True)
class Conditioned(Step):
    """A univariate whose parameters an MLP predicts: in a coupling, or masked autoregressively.

    Attributes:
        layer: the layer itself.
        inverse: which of its directions.
        bins: of a rational-quadratic spline; 0 for the affine map.
        box: (low, high, least share of a bin) of a spline.
        moved: features that are transformed; where masked, all in autoregressive order.
        seen: features that the network reads.
        linears: weights and biases; SiLU stands between them.
        context_weight: the context's weight in the first layer.
        edges: of a masked network, where the units of degrees 0..D begin in each hidden layer.
        sequential: whether a masked network reads what the step gives, not what it takes.
    """

    layer: TwoWayLayer
    inverse: bool
    bins: int
    box: tuple[float, float, float]
    moved: Tensor
    seen: Tensor
    linears: tuple[tuple[Tensor, Tensor], ...]
    context_weight: Tensor | None = None
    edges: tuple[Sequence[int], ...] = ()
    sequential: bool = False

    @property
    def reversible(self) -> bool:  # type: ignore[override]
        return not self.edges

    @property
    def parameters(self) -> tuple[Tensor, ...]:
        flat = tuple(tensor for pair in self.linears for tensor in pair)
        return flat if self.context_weight is None else (*flat, self.context_weight)

    def plain(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        layer = self.layer
        return (layer._plain_inverse if self.inverse else layer._plain_forward)(x, context)

    def current(self) -> tuple[Tensor, ...]:
        return _parameters_of(self.layer, inverted=self.inverse)

    def reads(self) -> int:
        return 0 if self.context_weight is None else self.context_weight.shape[1]

    def numbers(self) -> tuple[float, ...]:
        return self.box

    def words(self, values: Iterator[int], gradients: Iterator[int]) -> list[int]:
        words = [
            0,
            self.inverse,
            self.bins > 0,
            self.bins,
            self.sequential,
            len(self.edges) > 0,
            len(self.moved),
            self.moved.data_ptr(),
            len(self.seen),
            self.seen.data_ptr(),
            len(self.linears),
        ]
        for weight, _ in self.linears:
            outputs, inputs = weight.shape
            words += (outputs, inputs, next(values), next(values), next(gradients), next(gradients))
        for starts in self.edges:
            words += starts
        if self.context_weight is None:
            return [*words, 0, 0]
        return [*words, next(values), next(gradients)]


@dataclass(eq=False, slots=True)
class Matrix(Step):
    """y = M x + b, with a known log-determinant."""

    matrix: Tensor
    shift: Tensor
    log_det: Tensor
    reversible: ClassVar[bool] = False

    @property
    def parameters(self) -> tuple[Tensor, ...]:
        return self.matrix, self.shift, self.log_det

    def plain(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        return F.linear(x, self.matrix, self.shift), self.log_det.expand(len(x))

    def words(self, values: Iterator[int], gradients: Iterator[int]) -> list[int]:
        return [1, 0, *islice(values, 3), *islice(gradients, 3)]


@dataclass(eq=False, slots=True)
class Diagonal(Step):
    """y = scale x + shift feature by feature, or y = (x - shift) / scale."""

    scale: Tensor
    shift: Tensor
    log_det: Tensor
    inverse: bool

    @property
    def parameters(self) -> tuple[Tensor, ...]:
        return self.scale, self.shift, self.log_det

    def plain(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        y = (x - self.shift) / self.scale if self.inverse else x * self.scale + self.shift
        return y, self.log_det.expand(len(x))

    def words(self, values: Iterator[int], gradients: Iterator[int]) -> list[int]:
        return [1, 1 + self.inverse, *islice(values, 3), *islice(gradients, 3)]


@dataclass(eq=False, slots=True)
class Permuted(Step):
    """y_i = x_index(i)."""

    index: Tensor

    @property
    def parameters(self) -> tuple[Tensor, ...]:
        return ()

    def words(self, values: Iterator[int], gradients: Iterator[int]) -> list[int]:
        return [2, self.index.data_ptr()]

    def plain(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        return x.index_select(-1, self.index), x.new_zeros(len(x))


@dataclass(eq=False, slots=True)
class Planar(Step):
    """y = x + u tanh(w . x + b), once or several times.

    ``raw`` (2 D + 1) or (layers, 2 D + 1) holds u before its change along w, then w and b.
    """

    layer: Layer
    raw: Tensor
    reversible: ClassVar[bool] = False

    @property
    def parameters(self) -> tuple[Tensor, ...]:
        return (self.raw,)

    def words(self, values: Iterator[int], gradients: Iterator[int]) -> list[int]:
        return [3, self.raw.numel() // self.raw.shape[-1], next(values), next(gradients)]

    def plain(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        return self.layer._plain_forward(x, context)

    def current(self) -> tuple[Tensor, ...]:
        return _parameters_of(self.layer, inverted=False)


def _parameters_of(layer: Layer, *, inverted: bool) -> tuple[Tensor, ...]:
    steps = layer.kernel_steps(inverted=inverted) or ()
    return tuple(p for step in steps for p in step.parameters)
