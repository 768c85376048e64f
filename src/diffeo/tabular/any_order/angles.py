"""Columns of angles."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from diffeo.supports.scalar import wrap
from diffeo.tabular.any_order.cells import log_mass_between
from diffeo.tabular.any_order.columns import AngleColumn
from diffeo.tabular.any_order.draws import normal
from diffeo.tabular.any_order.group import ColumnGroup

__all__ = ["Angles"]

HARMONICS = 3
# full turns either way that count
TURNS = 3
LEAST_SCALE = 1e-3


class Angles(ColumnGroup):
    """Columns whose conditional densities are mixtures of wrapped normals.

    The sum over full turns is cut where at most 1e-9 is lost: a scale of 3 is all but uniform. On
    a lattice, a point has the mass of its cell.

    Args:
        positions: of the columns among all columns.
        columns: the columns; either all have a step or none has.
        components: of each mixture.

    Reference: "Directional Statistics", Mardia, Jupp, 1999.
    """

    step: Tensor

    def __init__(
        self, positions: Sequence[int], columns: Sequence[AngleColumn], components: int
    ) -> None:
        super().__init__(positions)
        self.components = components
        self.lattice = bool(columns[0].step)
        self.num_params = 3 * components
        self.num_features = 2 * HARMONICS
        steps = torch.tensor([[column.step] for column in columns])
        self.register_buffer("step", steps, persistent=False)
        spread = torch.arange(components) * (2 * math.pi / components) - math.pi
        self.register_buffer("start", spread[:, None, None], persistent=False)

    def features(self, x: Tensor) -> Tensor:
        angles = torch.stack([x * k for k in range(1, HARMONICS + 1)])
        return torch.cat([angles.sin(), angles.cos()])

    def _units(self, params: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        location, log_scale, weight = params.unflatten(0, (3, self.components))
        least = math.log(LEAST_SCALE)
        scale = (least + (math.log(3.0) - least) * torch.sigmoid(2.0 + log_scale)).exp()
        return 4 * location + self.start, scale, torch.log_softmax(4 * weight, 0)

    def log_prob(self, x: Tensor, params: Tensor) -> Tensor:
        location, scale, log_weight = self._units(params)
        turns = 2 * math.pi * torch.arange(-TURNS, TURNS + 1, device=x.device, dtype=x.dtype)
        z = (wrap(x - location) + turns.reshape(-1, 1, 1, 1)) / scale
        if self.lattice:
            half = self.step / scale / 2
            each = log_mass_between(z - half, z + half)
        else:
            each = -z * z / 2 - scale.log() - 0.5 * math.log(2 * math.pi)
        return torch.logsumexp(torch.logsumexp(each, 0) + log_weight, 0)

    def sample(self, params: Tensor, generator: torch.Generator | None) -> Tensor:
        x = wrap(normal(*self._units(params), generator))
        if self.lattice:
            x = wrap(torch.round((x + math.pi) / self.step) * self.step - math.pi)
        return x

    def below_and_at(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        location, scale, log_weight = self._units(params)
        # counted from -pi; on a lattice, from the lower edge of its cell
        half = self.step / 2
        edges = (torch.full_like(x, -math.pi) - half, x - half, x + half)
        start, low, high = (
            (log_weight.exp() * _turned_cdf((edge - location) / scale, scale)).sum(0)
            for edge in edges
        )
        return low - start, high - low

    def contains(self, x: Tensor) -> Tensor:
        inside = x.abs() <= math.pi + 1e-5
        if not self.lattice:
            return inside
        places = (x + math.pi) / self.step
        return inside & ((places - places.round()).abs() < 1e-2)


def _turned_cdf(z: Tensor, scale: Tensor) -> Tensor:
    """Sum of the normal distribution functions of all the turns that count."""
    turns = 2 * math.pi * torch.arange(-TURNS, TURNS + 1, device=z.device, dtype=z.dtype)
    return torch.special.ndtr(z + turns.reshape(-1, 1, 1, 1) / scale).sum(0)
