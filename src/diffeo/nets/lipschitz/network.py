"""What networks of a bounded Lipschitz constant have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, NamedTuple

from torch import Tensor, nn

from diffeo.checks import check_context, check_count
from diffeo.described import Described
from diffeo.errors import ShapeError
from diffeo.nets.lipschitz.spectral import LipschitzLinear

__all__ = ["Fixed", "Linearized", "LipschitzNet", "Stage"]

Push = Callable[[Tensor], Tensor]


class Linearized(NamedTuple):
    """A map at points x (*batch, in), with its derivative there.

    Attributes:
        value: (*batch, out).
        push: from tangents (*batch, k, in) or (k, in) to J t (*batch, k, out).
    """

    value: Tensor
    push: Push


Map = Callable[[Tensor], Linearized]


class Stage(nn.Module, ABC):
    """A hidden layer.

    Attributes:
        width: of what comes out.
    """

    width: int

    @abstractmethod
    def fixed(self, context: Tensor | None) -> Map:
        """The layer at its present weights and a context."""


class Fixed:
    """A network at its present weights and a context: what an iteration evaluates often.

    Args:
        maps: of the layers, in order.
    """

    def __init__(self, maps: Sequence[Map]) -> None:
        self.maps = maps

    def __call__(self, x: Tensor) -> Linearized:
        pushes: list[Push] = []
        for act in self.maps:
            x, push = act(x)
            pushes.append(push)

        def through(tangents: Tensor) -> Tensor:
            for push in pushes:
                tangents = push(tangents)
            return tangents

        return Linearized(x, through)


class LipschitzNet(Described, nn.Module, ABC):
    """A network g with |g(x) - g(x')| <= coefficient |x - x'| whatever its weights.

    It knows its derivative by itself, so that Jacobians cost matrix products and no graph. The last
    layer starts at zero. Context shifts the units of every layer freely.

    Args:
        in_features: width of x.
        out_features: width of the result.
        hidden: widths of the hidden layers, at least one.
        context: width of the context; 0 for none.
        coefficient: the Lipschitz constant, in (0, 1).

    Attributes:
        even: whether all layers share the constant evenly, or the last one has it alone.
        widest: numbers that the widest hidden layer gives.
    """

    even: ClassVar[bool]

    def __init__(
        self,
        in_features: int,
        out_features: int,
        hidden: Sequence[int],
        context: int,
        coefficient: float,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if not hidden:
            raise ShapeError(f"{name}: hidden must name at least one layer's width, got none")
        for width in hidden:
            check_count(f"{name}: a width in hidden", width)
        if not 0 < coefficient < 1:
            raise ValueError(f"{name}: coefficient must lie in (0, 1), got {coefficient!r}")
        self.context = context
        self.coefficient = coefficient
        inner = coefficient ** (1 / (len(hidden) + 1)) if self.even else 1.0
        stages: list[Stage] = []
        before = in_features
        for width in hidden:
            stages.append(self._stage(before, width, inner, context))
            before = stages[-1].width
        self.stages = nn.ModuleList(stages)
        self.widest = max(stage.width for stage in stages)
        outer = coefficient / inner ** len(hidden)
        self.output = LipschitzLinear(before, out_features, outer, context)
        for parameter in self.output.parameters():
            nn.init.zeros_(parameter)

    @abstractmethod
    def _stage(self, before: int, width: int, coefficient: float, context: int) -> Stage:
        """A hidden layer that reads ``before`` numbers."""

    def fixed(self, context: Tensor | None = None) -> Fixed:
        """The network at its present weights and a context (*context_batch, context).

        Raises:
            ContextError: a missing context, or one of another width.
        """
        check_context(self, context, self.context)
        given = context if self.context else None
        stages: list[Stage] = list(self.stages)  # type: ignore[arg-type]
        output = self.output.fixed(given)
        maps = [stage.fixed(given) for stage in stages]
        return Fixed([*maps, lambda h: Linearized(output(h), output.push)])

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return self.fixed(context)(x).value
