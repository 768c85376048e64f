"""Masked autoregressive transforms."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from diffeo import kernels
from diffeo.checks import check_batch, check_features
from diffeo.graphs import Adjacency, as_adjacency, generations
from diffeo.nets import GraphMLP, MaskedMLP, MaskedResidualMLP
from diffeo.nets.layers import compress
from diffeo.supports import Circle
from diffeo.transform import Transform
from diffeo.transforms.fused import conditioned_step, run_alone
from diffeo.transforms.placement import check_conditioner, feature_major, predict
from diffeo.univariates.univariate import Univariate

__all__ = ["MaskedAutoregressive"]

# what calls a function with the parameters of one feature after another: MaskedMLP.in_order
InOrder = Callable[[Callable[[int, Tensor], Tensor], int, Tensor | None], None]

# whole passes beat features one after another for few rows of many features: there dispatch costs
# more than arithmetic (measured; a spline's 8 rows of 21 features break even)
FEWEST_FEATURES, MOST_ROWS = 16, 8


class MaskedAutoregressive(Transform):
    """y_i = g(x_i; p_i(x_{<i}, context)): one network pass forward, about one in the inverse.

    The inverse finds the features one after another, computing each hidden unit once. On the CPU,
    for up to 8 rows of at least 16 features, where no gradients are wanted, whole passes
    x <- g^-1(y; p(x)) are tried first, until x stays the same to a few roundings. With a
    conditioner of your own that has no ``in_order`` (see ``diffeo.nets.MaskedMLP``) the inverse is
    a pass for each feature.

    With an ``adjacency``, y_i = g(x_i; p_i(x_parents(i), context)) for the parents in any directed
    graph without cycles. The inverse is then a pass for each generation of the graph: as many as
    its longest path has features, not D.

    Bare it is the layer of an inverse autoregressive flow (fast sampling); its ``Inverse`` is the
    layer of a masked autoregressive flow (fast density). Where the univariate is one of angles,
    the network sees their cosines and sines, (2, D), so that its parameters are periodic too.

    Args:
        features: number of features D.
        univariate: the scalar map g.
        order: the features in autoregressive order; by default 0..D-1.
        adjacency: D rows of D booleans, adjacency[i][j] true where j is a parent of i; in place of
            ``order``.
        context: width of the context; 0 for none.
        hidden: hidden widths of the masked network.
        residual: use a masked residual network.
        conditioner: a module of your own that maps what the network sees, (*batch, D) or of
            angles (*batch, 2 * D), (and context) to (*batch, num_params * D), read as
            (num_params, D), whose feature i depends on features before i in ``order`` alone, or on
            its parents.

    Shapes: x (*batch, D), context (*batch, context).

    Raises:
        ShapeError: ``order`` is no permutation, an adjacency of another shape or with a cycle
            (which the message shows), a conditioner of another width, or events of another shape.
        ValueError: both ``order`` and ``adjacency``, or ``residual`` with the latter.
        ContextError: a missing context, or one of another width.

    Reference: "Improved Variational Inference with Inverse Autoregressive Flow", Kingma et al.,
    2016, arXiv:1606.04934; "Masked Autoregressive Flow for Density Estimation", Papamakarios,
    Pavlakou, Murray, 2017, arXiv:1705.07057; "Graphical Normalizing Flows", Wehenkel, Louppe,
    2020, arXiv:2006.02548.

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
        adjacency: Adjacency | None = None,
        context: int = 0,
        hidden: Sequence[int] = (128, 128),
        residual: bool = False,
        conditioner: nn.Module | None = None,
    ) -> None:
        check_features("MaskedAutoregressive", features)
        super().__init__((features,))
        self.univariate = univariate
        self.order = list(range(features) if order is None else order)
        # features that the inverse finds together, when it takes whole passes
        self.groups = [[i] for i in self.order]
        seen = None
        if adjacency is not None:
            seen = as_adjacency("MaskedAutoregressive", adjacency, features)
            self.groups = generations("MaskedAutoregressive", seen)
            if order is not None or residual:
                raise ValueError(
                    "MaskedAutoregressive: an adjacency takes the place of order, and has no "
                    "residual network"
                )
        self.context = context
        self.compiles = univariate.compiles
        self.angular = isinstance(univariate.domain, Circle)
        count, inputs = univariate.num_params, 1 + self.angular
        if conditioner is not None:
            check_conditioner(self, conditioner, (inputs * features,), (count * features,), context)
            self.conditioner = conditioner
        elif seen is not None:
            self.conditioner = GraphMLP(seen.repeat(1, inputs), count, hidden, context)
        else:
            network = MaskedResidualMLP if residual else MaskedMLP
            self.conditioner = network(features, count, hidden, self.order, context, inputs)
        self.domain = univariate.domain
        self.codomain = univariate.codomain

    def _seen(self, x: Tensor, dim: int) -> Tensor:
        return torch.cat([x.cos(), x.sin()], dim=dim) if self.angular else x

    def _params(self, x: Tensor, context: Tensor | None) -> Tensor:
        seen, context = self._seen(x, -1), context if self.context else None
        return predict(self.conditioner, self.univariate, seen, context)

    def kernel_steps(self, *, inverted: bool) -> Sequence[kernels.Step] | None:
        if not isinstance(self.conditioner, MaskedMLP) or self.angular:
            return None
        order = self.conditioner.masks.order
        step = conditioned_step(
            self.conditioner,
            self.univariate,
            inverted=inverted,
            layer=self,
            moved=order,
            seen=order,
        )
        return None if step is None else [step]

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        fused = run_alone(self, x, context, inverted=False)
        return self._plain_forward(x, context) if fused is None else fused

    def inverse(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        fused = run_alone(self, y, context, inverted=True)
        return self._plain_inverse(y, context) if fused is None else fused

    def _plain_forward(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        x = check_batch(self, x, context, self.in_shape, self.context)
        y, dlog = self.univariate.forward(feature_major(x), self._params(x, context))
        return y.movedim(0, -1), dlog.sum(0)

    def _plain_inverse(self, y: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        y = check_batch(self, y, context, self.in_shape, self.context)
        context = context if self.context else None
        in_order = getattr(self.conditioner, "in_order", None)
        if in_order is None:
            return self._by_passes(y, context)
        features = self.in_shape[0]
        few = features >= FEWEST_FEATURES and y.numel() <= MOST_ROWS * features
        if few and y.device.type == "cpu" and _only_values(self, y, context):
            settled = self._settled(y, context)
            if settled is not None:
                return settled
        return self._in_order(in_order, y, context)

    def _by_passes(self, y: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """The inverse by a pass of the whole network for each group of features."""
        columns, targets = list(torch.zeros_like(y).unbind(-1)), feature_major(y)
        ladj = torch.zeros_like(columns[0])
        for group in self.groups:
            params = self._params(torch.stack(columns, dim=-1), context)
            found, dlog = self.univariate.inverse(targets[group], params[:, group])
            for i, column in zip(group, found, strict=True):
                columns[i] = column
            ladj = ladj + dlog.sum(0)
        return torch.stack(columns, dim=-1), ladj

    def _in_order(
        self, in_order: InOrder, y: Tensor, context: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The inverse by a network that gives the parameters of one feature after another."""
        batch, features = y.shape[:-1], y.shape[-1]
        if context is not None:
            context = context.expand(*batch, -1) if context.ndim > 1 else context[None]
            context = context.reshape(-1, context.shape[-1])
        # a row a feature, contiguous
        rows = feature_major(y).reshape(features, -1)
        columns, dlogs = list(rows), []

        def find(i: int, params: Tensor) -> Tensor:
            columns[i], dlog = self.univariate.inverse(rows[i], params.to(y.dtype))
            dlogs.append(dlog)
            return compress(self._seen(columns[i][None], 0))

        in_order(find, rows.shape[1], context)
        x, ladj = torch.stack(columns, dim=-1), torch.stack(dlogs).sum(0)
        return x.reshape(y.shape), ladj.reshape(batch)

    def _settled(self, y: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor] | None:
        """The fixed point of x <- g^-1(y; p(x)), or None where it is not reached soon.

        Position i is exact after i passes, so that D of them would always do. Half as many are
        tried, which leaves the features one after another as the way out at no more than the cost
        of D passes; also for numbers that are not finite, which spread in a whole pass.
        """
        x, targets = y, feature_major(y)
        close = 4 * torch.finfo(y.dtype).eps
        for _ in range(self.in_shape[0] // 2):
            found, dlog = self.univariate.inverse(targets, self._params(x, context))
            before, x = x, found.movedim(0, -1)
            if not bool(((x - before).abs() <= close * (1 + x.abs())).all()):
                continue
            return x, dlog.sum(0)
        return None


def _only_values(layer: nn.Module, y: Tensor, context: Tensor | None) -> bool:
    """Whether plain numbers are wanted: no trace, gradient, tangent or functorch transform."""
    if (
        torch.compiler.is_compiling()
        or torch.jit.is_tracing()  # type: ignore[attr-defined]
        or torch._C._are_functorch_transforms_active()
        or forward_ad._current_level >= 0
    ):
        return False
    if not torch.is_grad_enabled():
        return True
    given = (y,) if context is None else (y, context)
    return not any(tensor.requires_grad for tensor in (*given, *layer.parameters()))
