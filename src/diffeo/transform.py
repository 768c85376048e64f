"""The contract of every transform."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from diffeo import kernels
from diffeo.described import Described
from diffeo.pullback import Pulled, pull_back
from diffeo.supports import Real, Support

__all__ = ["Exactness", "Transform", "weakest"]

Exactness = Literal["exact", "estimate", "bound"]


def weakest(kinds: Iterable[Exactness]) -> Exactness:
    """What a whole is, whose parts are of these ``kinds``."""
    found = set(kinds)
    order: tuple[Exactness, ...] = ("bound", "estimate", "exact")
    return next(kind for kind in order if kind in found)


class Transform(Described, nn.Module, ABC):
    """An invertible map on events that knows both directions and both log-determinants.

    ``forward`` goes from base to data, ``inverse`` from data to base, so that a flow's
    ``log_prob`` calls ``inverse``.

    Args:
        in_shape: event shape of the input of ``forward``.
        out_shape: event shape of its output; by default the same.

    Attributes:
        in_shape, out_shape: event shapes.
        domain, codomain: supports of the input and the output of ``forward``.
        context: width of the context it reads; 0 where it ignores context.
        exactness: "exact" or "estimate", of the ladj.
        compiles: whether both directions trace with ``torch.compile(fullgraph=True)``.
        data_dependent: whether ``initialize`` sets something.
        lossless: whether both directions are formulas of about equal cost, and each gives back
            the other's input to the last digits; a reversible Sequential then need not keep it.
    """

    exactness: Exactness = "exact"
    compiles: bool = True
    data_dependent: bool = False
    lossless: bool = False

    def __init__(self, in_shape: tuple[int, ...], out_shape: tuple[int, ...] | None = None) -> None:
        super().__init__()
        self.in_shape = tuple(in_shape)
        self.out_shape = self.in_shape if out_shape is None else tuple(out_shape)
        self.context = 0
        self.domain: Support = Real()
        self.codomain: Support = Real()

    def extra_repr(self) -> str:
        # modules are printed by torch, below
        given = {k: v for k, v in self.arguments().items() if not _holds_modules(v)}
        return ", ".join(f"{name}={value!r}" for name, value in given.items())

    @abstractmethod
    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map base to data.

        Args:
            x: (*batch, *in_shape).
            context: (*batch, context), broadcast against the batch of ``x``.

        Returns:
            ``y`` (*batch, *out_shape) and ``ladj`` (*batch), the log absolute determinant of dy/dx.
        """

    @abstractmethod
    def inverse(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map data to base.

        Args:
            y: (*batch, *out_shape).
            context: (*batch, context), broadcast against the batch of ``y``.

        Returns:
            ``x`` (*batch, *in_shape) and ``ladj`` (*batch), the log absolute determinant of dx/dy.
        """

    def residual(self, y: Tensor, context: Tensor | None = None) -> Tensor:
        """How well the inverse of ``y`` returns to it, for inverses that are found numerically.

        Args:
            y: (*batch, *out_shape).
            context: (*batch, context), broadcast against the batch of ``y``.

        Returns:
            (*batch): the largest |forward(inverse(y)) - y| / (1 + |y|) of each event.
        """
        again, ladj = self(self.inverse(y, context)[0], context)
        error = (again - y).abs() / (1 + y.abs())
        return error.flatten(ladj.ndim).amax(-1)

    def pull_back(
        self,
        output: Tensor,
        context: Tensor | None,
        grads: Sequence[Tensor],
        wanted: Sequence[Tensor],
        *,
        inverted: bool,
    ) -> Pulled:
        """The input and the gradients that belong to an output, for a reversible Sequential.

        A layer may override it to share work between its two directions.

        Args:
            output: what the layer gave, without a graph.
            context: (*batch, context), a leaf.
            grads: gradients to the output and to the ladj that came with it.
            wanted: leaves that want a gradient, among them parameters and context.
            inverted: the layer ran by ``inverse``, not by ``forward``.
        """
        run, undo = (self.inverse, self) if inverted else (self, self.inverse)
        with torch.no_grad():
            x, _ = undo(output, context)
        return pull_back(run, x, context, grads, wanted)

    def kernel_steps(self, *, inverted: bool) -> Sequence[kernels.Step] | None:
        """One direction as the fused kernels of ``diffeo.kernels`` run it; None if they cannot.

        Args:
            inverted: the direction of ``inverse``, not of ``forward``.
        """
        return None

    def compiled_parts(self) -> Iterable[tuple[nn.Module, str]]:
        """What ``fit(compile=True)`` compiles of this layer: methods, each with its module.

        A layer that calls one network many times names that network, since compiling unrolls.
        """
        return (self, "forward"), (self, "inverse")

    def initialize(self, y: Tensor, context: Tensor | None = None) -> None:
        """Set what depends on data (ActNorm, Standardize) from a batch ``y`` of data, once.

        Layers that are set already stay as they are; most transforms have nothing to set.
        """


def _holds_modules(value: object) -> bool:
    items = value if isinstance(value, tuple | list) else (value,)
    return any(isinstance(item, nn.Module) for item in items)
