"""Masked autoregressive transforms."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from diffeo.checks import check_batch, check_features
from diffeo.nets import MaskedMLP, MaskedResidualMLP
from diffeo.supports import Circle
from diffeo.transform import Transform
from diffeo.transforms.placement import check_conditioner, feature_major, predict
from diffeo.univariates.univariate import Univariate

__all__ = ["MaskedAutoregressive"]


class MaskedAutoregressive(Transform):
    """y_i = g(x_i; p_i(x_{<i}, context)): one network pass forward, D passes in the inverse.

    Bare it is the layer of an inverse autoregressive flow (fast sampling); its ``Inverse`` is the
    layer of a masked autoregressive flow (fast density). Where the univariate is one of angles,
    the network sees their cosines and sines, (2, D), so that its parameters are periodic too.

    Args:
        features: number of features D.
        univariate: the scalar map g.
        order: the features in autoregressive order; by default 0..D-1.
        context: width of the context; 0 for none.
        hidden: hidden widths of the masked network.
        residual: use a masked residual network.
        conditioner: a module of your own that maps what the network sees, (*batch, D) or of
            angles (*batch, 2 * D), (and context) to (*batch, num_params * D), read as
            (num_params, D), whose feature i depends on features before i in ``order`` alone.

    Shapes: x (*batch, D), context (*batch, context).

    Raises:
        ShapeError: ``order`` is no permutation, a conditioner of another width, or events of
            another shape.
        ContextError: a missing context, or one of another width.

    Reference: "Improved Variational Inference with Inverse Autoregressive Flow", Kingma et al.,
    2016, arXiv:1606.04934; "Masked Autoregressive Flow for Density Estimation", Papamakarios,
    Pavlakou, Murray, 2017, arXiv:1705.07057.

    Example:
        >>> import torch, diffeo
        >>> layer = diffeo.transforms.MaskedAutoregressive(4, diffeo.univariates.Affine())
        >>> y, ladj = layer(torch.zeros(5, 4))
    """

    def __init__(
        self,
        features: int,
        univariate: Univariate,
        *,
        order: Sequence[int] | None = None,
        context: int = 0,
        hidden: Sequence[int] = (128, 128),
        residual: bool = False,
        conditioner: nn.Module | None = None,
    ) -> None:
        check_features("MaskedAutoregressive", features)
        super().__init__((features,))
        self.univariate = univariate
        self.order = list(range(features) if order is None else order)
        self.context = context
        self.compiles = univariate.compiles
        self.angular = isinstance(univariate.domain, Circle)
        count, inputs = univariate.num_params, 1 + self.angular
        if conditioner is not None:
            check_conditioner(self, conditioner, inputs * features, count * features, context)
            self.conditioner = conditioner
        else:
            network = MaskedResidualMLP if residual else MaskedMLP
            self.conditioner = network(features, count, hidden, self.order, context, inputs)
        self.domain = univariate.domain
        self.codomain = univariate.codomain

    def _params(self, x: Tensor, context: Tensor | None) -> Tensor:
        seen = torch.cat([x.cos(), x.sin()], dim=-1) if self.angular else x
        return predict(self.conditioner, self.univariate, seen, context if self.context else None)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x = check_batch(self, x, context, self.in_shape, self.context)
        y, dlog = self.univariate.forward(feature_major(x), self._params(x, context))
        return y.movedim(0, -1), dlog.sum(0)

    def inverse(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        y = check_batch(self, y, context, self.in_shape, self.context)
        columns = list(torch.zeros_like(y).unbind(-1))
        ladj = torch.zeros_like(columns[0])
        for i in self.order:
            params = self._params(torch.stack(columns, dim=-1), context)
            columns[i], dlog = self.univariate.inverse(y[..., i], params[:, i])
            ladj = ladj + dlog
        return torch.stack(columns, dim=-1), ladj
