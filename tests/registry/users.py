"""A user's own parts."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from diffeo import transforms, univariates


class OwnNet(nn.Module):
    """A user's conditioner."""

    def __init__(self, in_features: int, out_features: int, context: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(max(in_features + context, 1), 16), nn.Tanh(), nn.Linear(16, out_features)
        )

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        if context is not None:
            batch = torch.broadcast_shapes(x.shape[:-1], context.shape[:-1])
            x = torch.cat([x.expand(*batch, -1), context.expand(*batch, -1)], dim=-1)
        return self.layers(x if x.shape[-1] else x.new_zeros(*x.shape[:-1], 1))


def own_coupling(features: int, context: int) -> Any:
    moved = features // 2 if features > 1 else 1
    net = OwnNet(features - moved, 2 * moved, context)
    return transforms.Coupling(features, univariates.Affine(), context=context, conditioner=net)
