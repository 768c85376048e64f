"""What couplings of vectors and of images share: parts that move, given parts that do not."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from diffeo.checks import check_batch
from diffeo.pullback import Pulled, gradients
from diffeo.transform import Transform
from diffeo.univariates.univariate import Univariate

__all__ = ["Coupled"]


class Coupled(Transform):
    """y_m = g(x_m; p(x_k, context)), y_k = x_k, however an event is cut into x_m and x_k.

    Args:
        shape: event shape.
        univariate: the scalar map g.
        context: width of the context; 0 for none.
        part_ndim: axes of x_m, the batch left out.
    """

    def __init__(
        self, shape: tuple[int, ...], univariate: Univariate, context: int, part_ndim: int
    ) -> None:
        super().__init__(shape)
        self._axes = tuple(range(part_ndim))
        self.univariate = univariate
        self.context = context
        self.compiles = univariate.compiles
        self.lossless = univariate.lossless

    @abstractmethod
    def _parts(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x_k, and x_m with the axes of its event first."""

    @abstractmethod
    def _merge(self, kept: Tensor, moved: Tensor) -> Tensor:
        """The event of x_k and x_m; whatever x_k has in the place of x_m is ignored."""

    @abstractmethod
    def _params(self, kept: Tensor, context: Tensor | None) -> Tensor:
        """(num_params, *shape of x_m)."""

    def _plain_forward(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        x = check_batch(self, x, context, self.in_shape, self.context)
        kept, moved = self._parts(x)
        y, dlog = self.univariate.forward(moved, self._params(kept, context))
        return self._merge(kept, y), dlog.sum(self._axes)

    def _plain_inverse(self, y: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        y = check_batch(self, y, context, self.in_shape, self.context)
        kept, moved = self._parts(y)
        x, dlog = self.univariate.inverse(moved, self._params(kept, context))
        return self._merge(kept, x), dlog.sum(self._axes)

    def pull_back(
        self,
        output: Tensor,
        context: Tensor | None,
        grads: Sequence[Tensor],
        wanted: Sequence[Tensor],
        *,
        inverted: bool,
    ) -> Pulled:
        """One evaluation of conditioner and univariate serves both the input and the gradients.

        With the moved output v, the input is u = k(v; p), where k undoes the layer. From
        du = k_v dv + k_p dp and the layer's log-derivative -log k_v follow the gradients

            to u:  g_u = (g_v - g_ladj d(log k_v)/dv) / k_v,
            to p:  -g_u k_p - g_ladj d(log k_v)/dp.
        """
        undo = self.univariate.forward if inverted else self.univariate.inverse
        kept, moved = self._parts(output)
        with torch.enable_grad():
            kept.requires_grad_()
            moved.requires_grad_()
            u, log_slope = undo(moved, self._params(kept, context))
        grad_kept, grad_moved = self._parts(grads[0])
        grad_log_slope = grads[1].expand_as(log_slope)
        (bent,) = gradients((log_slope,), (moved,), (grad_log_slope,), keep=True)
        rest = grad_moved if bent is None else grad_moved - bent
        grad_u = rest * torch.exp(-log_slope.detach())
        through, *others = gradients((u, log_slope), (kept, *wanted), (-grad_u, -grad_log_slope))
        grad_kept = grad_kept if through is None else grad_kept + through
        x = self._merge(kept.detach(), u.detach())
        return Pulled(x, None, self._merge(grad_kept, grad_u), others)
