"""Coupling transforms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from diffeo import kernels
from diffeo.checks import check_features
from diffeo.errors import ShapeError
from diffeo.graphs import Adjacency, as_adjacency
from diffeo.nets import MLP, GraphMLP, ResidualMLP
from diffeo.supports import Circle, Features, Real, Support
from diffeo.transforms.coupled import Coupled
from diffeo.transforms.fused import conditioned_step, run_alone
from diffeo.transforms.placement import check_conditioner, feature_major, predict
from diffeo.univariates.univariate import Univariate

__all__ = ["Coupling"]


class Coupling(Coupled):
    """Features under the mask are transformed, with parameters predicted from the others:

        y_m = g(x_m; p(x_k, context)),   y_k = x_k.

    With an ``adjacency``, each of them depends on its neighbours among the others alone.

    Args:
        features: number of features D.
        univariate: the scalar map g.
        mask: D booleans, true where a feature is transformed; by default every second feature
            (for D = 1 the only one, whose parameters then depend on context alone).
        angles: D booleans, true where a feature is an angle; of the angles in x_k the conditioner
            sees cosines and sines, after the other features, so that it is periodic. None for no
            angles.
        adjacency: D rows of D booleans, adjacency[i][j] true where feature i, if it is transformed,
            sees feature j, if that is not; of an undirected graph the matrix is symmetric. None
            for all of them.
        context: width of the context; 0 for none.
        hidden: hidden widths of the conditioner.
        residual: use a residual network.
        conditioner: a module of your own that maps x_k (*batch, kept), with two columns for each
            angle, (and context) to (*batch, num_params * moved), read as (num_params, moved).

    Shapes: x (*batch, D), context (*batch, context).

    Raises:
        ShapeError: a mask of another length or that moves no feature, angles or an adjacency of
            another shape, a conditioner of another width, or events of another shape.
        ValueError: an adjacency with ``residual`` or ``conditioner``.
        ContextError: a missing context, or one of another width.

    Reference: "Density estimation using Real NVP", Dinh, Sohl-Dickstein, Bengio, 2016,
    arXiv:1605.08803; "Graphical Normalizing Flows", Wehenkel, Louppe, 2020, arXiv:2006.02548.

    Example:
        >>> import torch, diffeo
        >>> layer = diffeo.transforms.Coupling(4, diffeo.univariates.Affine(), context=3)
        >>> y, ladj = layer(torch.zeros(5, 4), torch.zeros(5, 3))
    """

    moved: Tensor
    kept: Tensor
    restore: Tensor
    angular: Tensor
    plain: Tensor

    def __init__(
        self,
        features: int,
        univariate: Univariate,
        *,
        mask: Sequence[bool] | Tensor | None = None,
        angles: Sequence[bool] | Tensor | None = None,
        adjacency: Adjacency | None = None,
        context: int = 0,
        hidden: Sequence[int] = (128, 128),
        residual: bool = False,
        conditioner: nn.Module | None = None,
    ) -> None:
        check_features("Coupling", features)
        super().__init__((features,), univariate, context, part_ndim=1)
        chosen = _mask(features, mask)
        moved, kept = chosen.nonzero()[:, 0], (~chosen).nonzero()[:, 0]
        self.register_buffer("moved", moved, persistent=False)
        self.register_buffer("kept", kept, persistent=False)
        self.register_buffer("restore", torch.cat([kept, moved]).argsort(), persistent=False)
        circular = (
            torch.zeros_like(chosen) if angles is None else _booleans("angles", features, angles)
        )
        self.register_buffer("angular", circular[kept].nonzero()[:, 0], persistent=False)
        self.register_buffer("plain", (~circular[kept]).nonzero()[:, 0], persistent=False)
        self.domain = _support(chosen, univariate.domain, circular)
        self.codomain = _support(chosen, univariate.codomain, circular)
        inputs = len(kept) + len(self.angular)
        outputs = univariate.num_params * len(moved)
        if adjacency is not None and (residual or conditioner is not None):
            raise ValueError(
                "Coupling: an adjacency goes with neither residual nor a conditioner of your own"
            )
        if conditioner is not None:
            check_conditioner(self, conditioner, (inputs,), (outputs,), context)
            self.conditioner = conditioner
        elif adjacency is not None:
            seen = as_adjacency("Coupling", adjacency, features)[moved][:, kept]
            order = torch.cat([self.plain, self.angular, self.angular])
            self.conditioner = GraphMLP(seen[:, order], univariate.num_params, hidden, context)
        else:
            network = ResidualMLP if residual else MLP
            self.conditioner = network(inputs, outputs, hidden, context)

    def _parts(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x.index_select(-1, self.kept), feature_major(x.index_select(-1, self.moved))

    def _params(self, kept: Tensor, context: Tensor | None) -> Tensor:
        seen, context = self._seen(kept), context if self.context else None
        return predict(self.conditioner, self.univariate, seen, context)

    def _seen(self, kept: Tensor) -> Tensor:
        if not len(self.angular):
            return kept
        angle = kept.index_select(-1, self.angular)
        return torch.cat([kept.index_select(-1, self.plain), angle.cos(), angle.sin()], dim=-1)

    def _merge(self, kept: Tensor, moved: Tensor) -> Tensor:
        joined = torch.cat([kept, moved.movedim(0, -1)], dim=-1)
        return joined.index_select(-1, self.restore)

    def kernel_steps(self, *, inverted: bool) -> Sequence[kernels.Step] | None:
        # buffers by their dictionary, as attributes of modules are slow and this runs in every call
        buffers: dict[str, Any] = self._buffers
        if len(buffers["angular"]):
            return None
        step = conditioned_step(
            self.conditioner,
            self.univariate,
            inverted=inverted,
            layer=self,
            moved=buffers["moved"],
            seen=buffers["kept"],
        )
        return None if step is None else [step]

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        fused = run_alone(self, x, context, inverted=False)
        return self._plain_forward(x, context) if fused is None else fused

    def inverse(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        fused = run_alone(self, y, context, inverted=True)
        return self._plain_inverse(y, context) if fused is None else fused


def _mask(features: int, mask: Sequence[bool] | Tensor | None) -> Tensor:
    if mask is None:
        return torch.arange(features) % 2 == (1 if features > 1 else 0)
    chosen = _booleans("the mask", features, mask)
    if not chosen.any():
        raise ShapeError("Coupling: the mask must mark at least one feature to transform")
    return chosen


def _booleans(what: str, features: int, given: Sequence[bool] | Tensor) -> Tensor:
    flags = torch.as_tensor(given).bool().cpu()
    if flags.shape != (features,):
        raise ShapeError(
            f"Coupling: {what} must hold {features} booleans, got shape {tuple(flags.shape)}"
        )
    return flags


def _support(mask: Tensor, moved: Support, angles: Tensor) -> Support:
    if isinstance(moved, Real) and not angles.any():
        return moved
    kept = [Circle() if angle else Real() for angle in angles.tolist()]
    each = zip(mask.tolist(), kept, strict=True)
    return Features([moved if moves else support for moves, support in each])
