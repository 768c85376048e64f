"""Columns of numbers: continuous ones and lattices, with single values of mass among them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from diffeo.nets.layers import compress
from diffeo.tabular.any_order.cells import log_mass_between
from diffeo.tabular.any_order.columns import NumberColumn
from diffeo.tabular.any_order.draws import choose, normal
from diffeo.tabular.any_order.group import ColumnGroup
from diffeo.tabular.any_order.scores import Scores
from diffeo.univariates.bounded import soft_bound

__all__ = ["Numbers"]

# of locations and weights: learned directly, in small steps, they would lag behind the scales
GAIN = 4.0
# where the network's features of a value bend, in standard deviations
BENDS = (-2.0, -1.2, -0.6, 0.0, 0.6, 1.2, 2.0)


class Numbers(ColumnGroup):
    """Columns whose conditional distributions are mixtures of normals on normal scores.

    A column x has the score z = s(x), a monotone spline that makes its distribution about normal.
    Given other columns, z is a mixture of normals, shifted and scaled as a whole; x has the density
    p(z) s'(x), or on a lattice the mass of z between the scores of half a step below and above.
    Atoms, values of mass of their own, have probabilities softmax(logits) beside the rest.

    Args:
        positions: of the columns among all columns.
        columns: the columns; either all have a step or none has.
        components: of each mixture.
        knots: of each spline, at most.

    Reference: "MADE: Masked Autoencoder for Distribution Estimation", Germain, Gregor, Murray,
    Larochelle, 2015, arXiv:1502.03509; "Masked Autoregressive Flow for Density Estimation",
    Papamakarios, Pavlakou, Murray, 2017, arXiv:1705.07057 (its mixture heads).
    """

    atoms: Tensor
    step: Tensor
    low: Tensor
    high: Tensor
    log_frequency: Tensor
    nodes: Tensor
    log_weights: Tensor

    def __init__(
        self,
        positions: Sequence[int],
        columns: Sequence[NumberColumn],
        components: int,
        knots: int,
    ) -> None:
        super().__init__(positions)
        self.components = components
        self.lattice = bool(columns[0].step)
        most = max(len(column.atoms) for column in columns)
        self.choices = most + 1 if most else 0  # atoms, and the rest
        self.num_features = 1 + len(BENDS) + most
        self.num_params = 2 + 3 * components + self.choices
        self.num_straight = 1  # the shift
        self.scores = Scores(len(columns), knots)
        self._buffer("step", [column.step for column in columns])
        self._buffer("low", [column.low for column in columns])
        self._buffer("high", [column.high for column in columns])
        padded = [[*c.atoms, *[math.nan] * (most - len(c.atoms))] for c in columns]
        atoms = torch.tensor(padded).reshape(len(columns), most)
        self.register_buffer("atoms", atoms.t()[..., None].contiguous(), persistent=False)
        start = torch.zeros(self.choices, len(columns), 1)
        start[:most] = torch.where(self.atoms.isnan(), -math.inf, start[:most])
        self.register_buffer("log_frequency", start)
        nodes, weights, scale = _normal_mixture(components)
        self.register_buffer("nodes", nodes[:, None, None], persistent=False)
        self.register_buffer("log_weights", weights[:, None, None], persistent=False)
        self._log_scale = scale

    def _buffer(self, name: str, values: list[float]) -> None:
        self.register_buffer(name, torch.tensor(values)[:, None], persistent=False)

    # -- data ------------------------------------------------------------------------------------

    def initialize(self, x: Tensor) -> None:
        atom = self._is_atom(x).any(0)
        self.scores.initialize(torch.where(atom, math.nan, x), self.step)
        if self.choices:
            counts = self._is_atom(x).sum(-1, keepdim=True)
            rows = (~x.isnan()).sum(-1, keepdim=True)
            rest = (rows - counts.sum(0))[None]
            share = (torch.cat([counts, rest]) + 0.5) / (rows + 1)
            possible = self.log_frequency.isfinite()
            self.log_frequency.copy_(torch.where(possible, share.log(), -math.inf))

    def harmless(self, x: Tensor) -> Tensor:
        return self.scores.x[self.scores.knots // 2].expand_as(x)

    def _is_atom(self, x: Tensor) -> Tensor:
        # buffers have been float32
        return x.float() == self.atoms.float()

    def contains(self, x: Tensor) -> Tensor:
        return self._is_atom(x).any(0) | self._on_lattice(x) if self.lattice else x.isfinite()

    def _on_lattice(self, x: Tensor) -> Tensor:
        steps = x / self.step
        near = (steps - steps.round()).abs() < 1e-3 * steps.abs().clamp(min=1.0).sqrt()
        in_bounds = (x >= self.low - self.step / 4) & (x <= self.high + self.step / 4)
        return x.isfinite() & near & in_bounds

    # -- network ---------------------------------------------------------------------------------

    def features(self, x: Tensor) -> Tensor:
        z = compress(self.scores(x)[0])
        bends = z.new_tensor(BENDS)[:, None, None]
        return torch.cat([z[None], torch.tanh(2 * (z - bends)), self._is_atom(x).to(x.dtype)])

    def _units(self, params: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Locations, log-scales and log-weights, (components, columns, rows)."""
        shift, common = GAIN * params[0], params[1]
        mixture = params[2 : 2 + 3 * self.components]
        location, log_scale, weight = mixture.unflatten(0, (3, self.components))
        width = soft_bound(common + log_scale + self._log_scale)
        return (
            shift + (GAIN * location + self.nodes) * soft_bound(common).exp(),
            width,
            torch.log_softmax(GAIN * weight + self.log_weights, 0),
        )

    def _choice(self, params: Tensor) -> Tensor:
        """log-probabilities of the atoms and of the rest, (choices, columns, rows)."""
        return torch.log_softmax(params[2 + 3 * self.components :] + self.log_frequency, 0)

    def log_prob(self, x: Tensor, params: Tensor) -> Tensor:
        body = self._log_mass(x, params) if self.lattice else self._log_density(x, params)
        if not self.choices:
            return body
        choice = self._choice(params)
        atom = self._is_atom(x)
        at = torch.where(atom, choice[:-1], 0.0).sum(0)
        rest = choice[-1] + body
        if self.lattice:
            # the rest, too, has mass in the cell of an atom that is one of its points
            at = torch.where(self._on_lattice(x), torch.logaddexp(at, rest), at)
        return torch.where(atom.any(0), at, rest)

    def _log_density(self, x: Tensor, params: Tensor) -> Tensor:
        location, log_scale, log_weight = self._units(params)
        score, log_slope = self.scores(x)
        z = (score - location) * torch.exp(-log_scale)
        each = log_weight - log_scale - z * z / 2
        return torch.logsumexp(each, 0) - 0.5 * math.log(2 * math.pi) + log_slope

    def _log_mass(self, x: Tensor, params: Tensor) -> Tensor:
        location, log_scale, log_weight = self._units(params)
        low, high = self._edges(x)
        precision = torch.exp(-log_scale)
        return torch.logsumexp(
            log_weight
            + log_mass_between((low - location) * precision, (high - location) * precision),
            0,
        )

    def _edges(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Scores of half a step below and above; of infinity beyond the bounds."""
        half = self.step / 2
        low, high = self.scores(x - half)[0], self.scores(x + half)[0]
        low = torch.where(x - half < self.low, -1e4, low)
        return low, torch.where(x + half > self.high, 1e4, high)

    def below_and_at(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        low, high = self._edges(x) if self.lattice else (self.scores(x)[0],) * 2
        location, log_scale, log_weight = self._units(params)
        precision, weight = torch.exp(-log_scale), log_weight.exp()
        below, through = (
            (weight * torch.special.ndtr((edge - location) * precision)).sum(0)
            for edge in (low, high)
        )
        at = through - below
        if not self.choices:
            return below, at
        choice = self._choice(params).exp()
        # where there is no atom, NaN compares false
        less = torch.where(self.atoms < x, choice[:-1], 0.0).sum(0)
        same = torch.where(self._is_atom(x), choice[:-1], 0.0).sum(0)
        return less + choice[-1] * below, same + choice[-1] * at

    # -- samples ---------------------------------------------------------------------------------

    def sample(self, params: Tensor, generator: torch.Generator | None) -> Tensor:
        location, log_scale, log_weight = self._units(params)
        x = self.scores.inverse(normal(location, log_scale.exp(), log_weight, generator))
        if self.lattice:
            x = (torch.round(x / self.step) * self.step).clamp(self.low, self.high)
        if not self.choices:
            return x
        choice = choose(self._choice(params), generator)
        atoms = torch.cat([self.atoms.nan_to_num().expand(-1, *x.shape[:1], x.shape[-1]), x[None]])
        return atoms.gather(0, choice[None])[0]


def _normal_mixture(components: int) -> tuple[Tensor, Tensor, float]:
    """Nodes, log-weights and log-scale of a mixture that is all but a standard normal."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(components)
    # few nodes reproduce only a narrow one
    variance = min(0.2, (components - 1) ** 2 / ((components - 1) ** 2 + 90))
    return (
        torch.tensor(math.sqrt(variance) * nodes, dtype=torch.get_default_dtype()),
        torch.tensor(np.log(weights / weights.sum()), dtype=torch.get_default_dtype()),
        math.log1p(-variance) / 2,
    )
