"""Residual layers y = x + g(x), invertible because g is a contraction."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from diffeo.checks import check_batch, check_count, check_features
from diffeo.nets.lipschitz import LipschitzDense, LipschitzMLP, LipschitzNet
from diffeo.transform import Transform
from diffeo.transforms.linear import full_precision
from diffeo.transforms.residual.fixed_point import NEWTON, solve
from diffeo.transforms.residual.log_det import (
    Noise,
    draw_noise,
    estimated_log_det,
    exact_log_det,
)

__all__ = ["Residual"]

# in evaluation, where no graph is kept, up to here D products with the Jacobian are worth a
# log-density that is exact
EVALUATED_EXACTLY = 64


class Residual(Transform):
    """y = x + g(x) for a network g with Lipschitz constant below one:

        ladj = log det (I + J) = tr J - tr J^2 / 2 + tr J^3 / 3 - ...,  J = dg/dx.

    ``forward`` is one network pass; the inverse is a fixed point, found to the precision of the
    dtype, with gradients by the implicit function. So put it into an ``Inverse`` where densities
    of given data count, as ``ResidualFlow`` does.

    The ladj is exact, by the full Jacobian, for D <= ``exact``, and in evaluation for D <= 64. In
    training beyond ``exact``, and in evaluation beyond 64, it is an unbiased estimate: a Hutchinson
    probe and a number of terms of the series for every row, drawn at every call from torch's global
    generator (which ``fit`` seeds). Its gradient is an unbiased estimate too, by the Neumann series
    of (I + J)^-1; backward computes the layer's activations again, so that a layer keeps its input
    alone. ``estimate_ladj`` gives as many estimates as wanted, and so their variance. Second
    derivatives of an estimate are not estimated.

    Starts at the identity.

    Args:
        features: number of features D.
        context: width of the context; 0 for none.
        hidden: widths of the hidden layers of g.
        coefficient: Lipschitz constant of g, in (0, 1); slopes of y along any direction stay
            between 1 - coefficient and 1 + coefficient.
        dense: whether g is a ``LipschitzDense`` instead of a ``LipschitzMLP``.
        exact: largest D of which training takes the exact ladj; up to 16 that takes no more time
            than an estimate.

    Shapes: x (*batch, D), context (*batch, context).

    Raises:
        ShapeError: fewer than one feature, no hidden layer, or events of another shape.
        ValueError: a coefficient outside (0, 1), or widths that are not whole numbers >= 1.
        ContextError: a missing context, or one of another width.

    Reference: "Invertible Residual Networks", Behrmann, Grathwohl, Chen, Duvenaud, Jacobsen, 2018,
    arXiv:1811.00995; "Residual Flows for Invertible Generative Modeling", Chen, Behrmann, Duvenaud,
    Jacobsen, 2019, arXiv:1906.02735; "Invertible DenseNets with Concatenated LipSwish",
    Perugachi-Diaz, Tomczak, Bhulai, 2021, arXiv:2102.02694.

    Example:
        >>> import torch, diffeo
        >>> layer = diffeo.transforms.Residual(3, hidden=(16, 16), dense=True)
        >>> y, ladj = layer(torch.zeros(5, 3))
    """

    def __init__(
        self,
        features: int,
        *,
        context: int = 0,
        hidden: Sequence[int] = (128, 128),
        coefficient: float = 0.97,
        dense: bool = False,
        exact: int = 16,
    ) -> None:
        check_features("Residual", features)
        super().__init__((features,))
        network: type[LipschitzDense | LipschitzMLP] = LipschitzDense if dense else LipschitzMLP
        self.net: LipschitzNet = network(features, features, hidden, context, coefficient)
        self.context = context
        self.exact = exact
        self.exactness = "exact" if features <= exact else "estimate"
        self.compiles = features <= min(exact, NEWTON)
        # the widest layer holds a tangent for every feature beside the point
        self.row_width = self.net.widest * (1 + min(features, EVALUATED_EXACTLY))

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x = check_batch(self, x, context, self.in_shape, self.context)
        with full_precision(x):
            if self._is_exact():
                return self._exactly(x, context)
            noise = draw_noise(x)
            if torch.is_grad_enabled():
                # backward, not forward, takes the gradient, as rows may weigh differently there
                result: tuple[Tensor, Tensor] = checkpoint(
                    self._roughly, x, context, noise, use_reentrant=False
                )
                return result
            return self._roughly(x, context, noise)

    def inverse(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        y = check_batch(self, y, context, self.in_shape, self.context)
        with full_precision(y):
            x = solve(lambda: self.net.fixed(context), y, self.net.coefficient)
        return x, -self(x, context)[1]

    def estimate_ladj(
        self,
        x: Tensor,
        context: Tensor | None = None,
        *,
        draws: int = 1,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Independent unbiased estimates of the ladj of ``forward``, whatever D.

        Args:
            x: (*batch, D).
            context: (*batch, context), broadcast against the batch of ``x``.
            draws: how many.
            generator: of the noise; None is torch's global one.

        Returns:
            (draws, *batch): their spread is what a single estimate errs by.

        Raises:
            As ``forward``.
        """
        x = check_batch(self, x, context, self.in_shape, self.context)
        x = x.expand(check_count("draws", draws), *x.shape)
        with full_precision(x):
            return self._roughly(x, context, draw_noise(x, generator))[1]

    def _is_exact(self) -> bool:
        most = self.exact if self.training else max(self.exact, EVALUATED_EXACTLY)
        return self.in_shape[0] <= most

    def _exactly(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        value, push = self.net.fixed(context)(x)
        return x + value, exact_log_det(push, x)

    def _roughly(self, x: Tensor, context: Tensor | None, noise: Noise) -> tuple[Tensor, Tensor]:
        value, push = self.net.fixed(context)(x)
        return x + value, estimated_log_det(push, noise)
