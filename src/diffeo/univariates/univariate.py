"""The contract of every univariate."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor

from diffeo.described import Described
from diffeo.supports import Real, Support

__all__ = ["Univariate"]


class Univariate(Described, ABC):
    """A monotone scalar map whose parameters are an input; it holds none itself.

    Parameters lead: ``params`` has shape (num_params, ...) where ``x`` has shape (...), so that
    softmax and cumulative sums over them run along a leading axis. All-zero parameters give the
    identity wherever the family contains it.

    Attributes:
        num_params: number of parameters a scalar.
        domain, codomain: supports of the input and the output of ``forward``.
        compiles: whether both directions trace with ``torch.compile(fullgraph=True)``.
        lossless: whether the map is increasing, and both directions are formulas of about equal
            cost that give back each other's input to the last digits.
    """

    num_params: int = 0
    domain: Support = Real()
    codomain: Support = Real()
    compiles: bool = True
    lossless: bool = False

    @abstractmethod
    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        """``y`` and the element-wise log-derivative log |dy/dx|, both of the shape of ``x``."""

    @abstractmethod
    def inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        """``x`` and the element-wise log-derivative log |dx/dy|, both of the shape of ``y``."""

    def __repr__(self) -> str:
        arguments: dict[str, Any] = self.arguments()
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in arguments.items())})"
