"""A univariate applied to each element of an event."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from diffeo.checks import check_batch, check_features
from diffeo.supports import Support
from diffeo.transforms.amortised import Amortised
from diffeo.univariates.univariate import Univariate

__all__ = ["Elementwise"]


class Elementwise(Amortised):
    """y_i = g(x_i; p_i), with parameters p_i that are learned, or predicted from context.

    Args:
        shape: event shape, or the number of features.
        univariate: the scalar map g.
        context: width of the context; 0 for parameters that do not depend on one.
        hidden: hidden widths of the network that predicts parameters from context.
        residual: use a residual network for it.
        conditioner: a module of your own that maps context (*batch, context) to
            (*batch, num_params * elements), read as (num_params, elements); it is called as
            ``conditioner(empty, context)``.

    Shapes: x (*batch, *shape), context (*batch, context).

    Raises:
        ShapeError: a conditioner of another width, or events of another shape.
        ContextError: a missing context, or one of another width.

    Example:
        >>> import torch, diffeo
        >>> exp = diffeo.transforms.Elementwise(2, diffeo.univariates.Exp())
        >>> exp(torch.zeros(2))
        (tensor([1., 1.]), tensor(0.))
    """

    def __init__(
        self,
        shape: int | tuple[int, ...],
        univariate: Univariate,
        *,
        context: int = 0,
        hidden: Sequence[int] = (128, 128),
        residual: bool = False,
        conditioner: nn.Module | None = None,
    ) -> None:
        if isinstance(shape, int):
            check_features("Elementwise", shape)
        super().__init__((shape,) if isinstance(shape, int) else tuple(shape))
        self.univariate = univariate
        self.domain: Support = univariate.domain
        self.codomain: Support = univariate.codomain
        self.compiles = univariate.compiles
        if univariate.num_params:
            zeros = torch.zeros(univariate.num_params, *self.in_shape)
            self._learn(zeros, context, hidden, residual=residual, conditioner=conditioner)

    def _leading_params(self, x: Tensor, context: Tensor | None) -> Tensor:
        """The parameters (num_params, *batch, *shape)."""
        if self.univariate.num_params == 0:
            return x.new_empty(0, *x.shape)
        params = self._params(x, context)
        params = params.movedim(params.ndim - 1 - len(self.in_shape), 0)
        # the context may have fewer batch axes than x, but the parameters' axis comes first
        missing = (1,) * (x.ndim + 1 - params.ndim)
        return params.reshape(len(params), *missing, *params.shape[1:])

    def _reduce(self, dlog: Tensor) -> Tensor:
        return dlog.flatten(dlog.ndim - len(self.in_shape)).sum(-1)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x = check_batch(self, x, context, self.in_shape, self.context)
        y, dlog = self.univariate.forward(x, self._leading_params(x, context))
        return y, self._reduce(dlog)

    def inverse(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        y = check_batch(self, y, context, self.in_shape, self.context)
        x, dlog = self.univariate.inverse(y, self._leading_params(y, context))
        return x, self._reduce(dlog)
