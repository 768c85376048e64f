"""Transforms made of transforms: Sequential and Inverse."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from diffeo.errors import ShapeError
from diffeo.pullback import Pulled
from diffeo.transform import Transform, weakest
from diffeo.transforms.fused import Directed, run_in_turn
from diffeo.transforms.reversible import can_recompute, pull_back_in_turn, run_reversibly

__all__ = ["Inverse", "Sequential"]


class Sequential(Transform):
    """Transforms one after another; ``forward`` applies the first one first.

    With ``reversible=True`` the memory that training takes does not grow with the number of
    layers: backward finds what lies between them from the output, by their other direction. That
    costs time, and gives the same gradients up to rounding; it pays for deep stacks and large
    batches. Of a layer whose other direction is slow or loses digits (``lossless`` is false:
    autoregressions, bracketed inverses, maps onto supports), the input is kept and the rest
    computed again; a layer that draws or changes in training (dropout, BatchNorm) works as
    without. Where the layers do not give back the input of the stack to half the digits of its
    dtype, a warning names the least exact one, and the gradients are computed from the inputs of
    all layers. Second derivatives, ``torch.compile`` and the transforms of ``torch.func`` work, and
    take the ordinary memory.

    Args:
        *transforms: at least one; each must take the event shape that the one before gives.
        reversible: recompute in backward what lies between layers, in both directions; it holds
            for Sequentials and Inverses inside as well.

    Raises:
        ShapeError: no transforms, or event shapes or context widths that do not fit.
        ReversibilityError: in backward, a layer that does not give again what it gave in forward.

    Warns:
        ReversibilityWarning: in backward, layers whose inverse is not exact enough.

    Reference: "The Reversible Residual Network: Backpropagation Without Storing Activations",
    Gomez, Ren, Urtasun, Grosse, 2017, arXiv:1707.04585.

    Example:
        >>> import torch, diffeo
        >>> t = diffeo.Sequential(diffeo.transforms.Reverse(3), diffeo.transforms.LU(3))
        >>> y, ladj = t(torch.zeros(5, 3))
    """

    def __init__(self, *transforms: Transform, reversible: bool = False) -> None:
        if not transforms:
            raise ShapeError("Sequential needs at least one transform")
        for before, after in itertools.pairwise(transforms):
            if before.out_shape != after.in_shape:
                raise ShapeError(
                    f"Sequential: {type(before).__name__} gives events of shape "
                    f"{before.out_shape}, but {type(after).__name__} takes {after.in_shape}"
                )
        super().__init__(transforms[0].in_shape, transforms[-1].out_shape)
        self.transforms = nn.ModuleList(transforms)
        self.reversible = reversible
        self.context = _common_context(transforms)
        self.domain = transforms[0].domain
        self.codomain = transforms[-1].codomain
        self.exactness = weakest(t.exactness for t in transforms)
        self.compiles = all(t.compiles for t in transforms)
        self.lossless = all(t.lossless for t in transforms)

    def __iter__(self) -> Any:
        return iter(self.transforms)

    def __len__(self) -> int:
        return len(self.transforms)

    def __getitem__(self, index: int) -> Transform:
        transform: Transform = self.transforms[index]  # type: ignore[assignment]
        return transform

    def arguments(self) -> dict[str, Any]:
        layers = {"transforms": tuple(self.transforms)}
        return {**layers, "reversible": True} if self.reversible else layers

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        if self.reversible and can_recompute(self, x, context):
            return run_reversibly(self, _steps(self, inverted=False), x, context)
        return run_in_turn(_steps(self, inverted=False, keep=True), x, context)

    def inverse(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        if self.reversible and can_recompute(self, y, context):
            return run_reversibly(self, _steps(self, inverted=True), y, context)
        return run_in_turn(_steps(self, inverted=True, keep=True), y, context)

    def pull_back(
        self,
        output: Tensor,
        context: Tensor | None,
        grads: Sequence[Tensor],
        wanted: Sequence[Tensor],
        *,
        inverted: bool,
    ) -> Pulled:
        """Layer by layer where all are lossless."""
        if not self.lossless:
            return super().pull_back(output, context, grads, wanted, inverted=inverted)
        return pull_back_in_turn(_steps(self, inverted=inverted), output, context, grads, wanted)

    def initialize(self, y: Tensor, context: Tensor | None = None) -> None:
        layers: Any = list(self.transforms)
        # on the base's side of these nothing asks what the data become, which may be dear to know
        while layers and not _depends_on_data(layers[0]):
            layers = layers[1:]
        for layer in reversed(layers):
            layer.initialize(y, context)
            if layer is not layers[0]:
                y, _ = layer.inverse(y, context)


def _depends_on_data(layer: nn.Module) -> bool:
    return any(isinstance(m, Transform) and m.data_dependent for m in layer.modules())


def _common_context(transforms: tuple[Transform, ...]) -> int:
    widths = {t.context for t in transforms if t.context}
    if len(widths) > 1:
        raise ShapeError(f"Sequential: the transforms need contexts of widths {sorted(widths)}")
    return widths.pop() if widths else 0


class Inverse(Transform):
    """The inverse of a transform as a transform: both directions change places.

    Args:
        transform: the transform to turn round.

    Example:
        >>> import torch, diffeo
        >>> log = diffeo.transforms.Inverse(
        ...     diffeo.transforms.Elementwise(1, diffeo.univariates.Exp())
        ... )
        >>> log(torch.ones(1))[0]
        tensor([0.])
    """

    def __init__(self, transform: Transform) -> None:
        super().__init__(transform.out_shape, transform.in_shape)
        self.transform = transform
        self.context = transform.context
        self.domain, self.codomain = transform.codomain, transform.domain
        self.exactness = transform.exactness
        self.compiles = transform.compiles
        self.lossless = transform.lossless

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self.transform.inverse(x, context)

    def inverse(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        result: tuple[Tensor, Tensor] = self.transform(y, context)
        return result

    def initialize(self, y: Tensor, context: Tensor | None = None) -> None:
        for module in self.transform.modules():
            if isinstance(module, Transform) and module.data_dependent:
                raise ShapeError(
                    f"Inverse cannot initialise a {type(module).__name__} from data; "
                    f"put it beside the Inverse, not inside it"
                )


def _steps(transform: Transform, *, inverted: bool, keep: bool = False) -> list[Directed]:
    """The layers of Sequentials and Inverses in the order in which they run.

    ``keep`` leaves reversible Sequentials inside whole, so that they run in their own way.
    """
    if type(transform) is Inverse:
        # by its dictionary, as attributes of modules are slow and this runs in every call
        inner: Any = transform._modules["transform"]
        return _steps(inner, inverted=not inverted, keep=keep)
    if type(transform) is not Sequential:
        return [Directed(transform, inverted)]
    found: list[Directed] = []
    layers: Any = transform._modules["transforms"]
    for layer in list(layers._modules.values())[:: -1 if inverted else 1]:
        whole = keep and type(layer) is Sequential and layer.reversible
        found += (
            [Directed(layer, inverted)] if whole else _steps(layer, inverted=inverted, keep=keep)
        )
    return found
