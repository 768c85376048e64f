"""Between encoded columns and the coordinates in which a density models them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from diffeo.arrays import Floats
from diffeo.tabular.any_order import AngleColumn, ColumnKind, LevelColumn, NumberColumn
from diffeo.tabular.columns import Column

__all__ = ["Coordinate", "find_coordinate"]

# a lattice of more places than this is as good as a continuum
MOST_PLACES = 50_000
# more angles than that on a circle are as good as a continuum too
MOST_ANGLES = 2_000
FLOAT = np.float32(np.inf)
# coordinates of atoms that no map takes to a finite one; data lie within a few units of 0
FAR = 30.0


@dataclass(frozen=True)
class Coordinate:
    """The map of one column, in float64, so that float32 suffices after it.

    Codes of levels stay as they are. Numbers of a lattice become its places, counted from near
    their middle. Other numbers lose their support (the logarithm of what is positive, the logit of
    what is bounded) and are standardised. Circular ones become angles.

    Attributes:
        form: "levels", "lattice", "angle" or one of the supports "real", "positive", "bounded".
        center, scale: of (value - center) / scale, after the support is mapped away.
        low, high: bounds of the support, or start and end of the period.
        log_step: of a fine lattice that is modelled as a continuum, log of its step; else 0.
        places: of a circular column on a lattice, how many there are; they are counted.
        atoms: values that have masses of their own.
    """

    form: str
    center: float = 0.0
    scale: float = 1.0
    low: float = -math.inf
    high: float = math.inf
    log_step: float = 0.0
    places: int = 0
    atoms: tuple[float, ...] = ()

    def forward(self, values: Floats) -> tuple[Floats, Floats]:
        """Coordinates, and the logarithms of their slopes (0 where values are counted)."""
        if self.form == "levels":
            return values, np.zeros_like(values)
        if self.form == "lattice":
            places = np.rint((values - self.center) / self.scale)
            return self._with_atoms(values, places), np.zeros_like(values)
        if self.form == "angle":
            angles = (values - self.low) % (self.high - self.low) / self.scale
            if self.places:
                width = 2 * math.pi / self.places
                place = np.rint(angles / width) % self.places
                return place * width - math.pi, np.zeros_like(values)
            slope = self.log_step - math.log(self.scale)
            return angles - math.pi, np.where(np.isnan(values), 0.0, slope)
        with np.errstate(divide="ignore", invalid="ignore"):
            free, log_slope = _free(values, self.form, self.low, self.high)
        where = self._with_atoms(values, (free - self.center) / self.scale)
        log_slope = log_slope - math.log(self.scale) + self.log_step
        log_slope = np.where(np.isin(values, self.atoms), 0.0, log_slope)
        # outside the support there is no coordinate: infinity has no density, a hole would have one
        outside = np.isnan(where) & ~np.isnan(values)
        return np.where(outside, np.inf, where), np.where(np.isfinite(where), log_slope, 0.0)

    def inverse(self, coordinates: Floats) -> Floats:
        """Values of coordinates."""
        if self.form == "levels":
            return coordinates
        if self.form == "lattice":
            values = self.center + np.rint(coordinates) * self.scale
        elif self.form == "angle":
            return self.low + (coordinates + math.pi) * self.scale % (self.high - self.low)
        else:
            free = self.center + coordinates * self.scale
            values = _bound(free, self.form, self.low, self.high)
        for atom, place in zip(self.atoms, self.atom_places(), strict=True):
            values = np.where(coordinates == np.float32(place), atom, values)
        return values

    def atom_places(self) -> tuple[float, ...]:
        """Coordinates of the atoms."""
        atoms = np.array(self.atoms, dtype=np.float64)
        if self.form == "lattice":
            places = (atoms - self.center) / self.scale
        else:
            with np.errstate(divide="ignore", invalid="ignore"):
                free, _ = _free(atoms, self.form, self.low, self.high)
            places = (free - self.center) / self.scale
            far = np.where(atoms <= self.low, -FAR, FAR) + np.arange(len(atoms))
            places = np.where(np.abs(places) < FAR, places, far)
        return tuple(float(np.float32(place)) for place in places)

    def _with_atoms(self, values: Floats, places: Floats) -> Floats:
        for atom, place in zip(self.atoms, self.atom_places(), strict=True):
            # what is no atom must not round to one
            near = (places.astype(np.float32) == np.float32(place)) & (values != atom)
            beside = np.nextafter(np.float32(place), np.where(values < atom, -FLOAT, FLOAT))
            places = np.where(values == atom, place, np.where(near, beside, places))
        return places

    def to_json(self) -> dict[str, Any]:
        """Plain values only; bounds at infinity are left out."""
        entries = asdict(self)
        entries["atoms"] = list(self.atoms)
        return {k: v for k, v in entries.items() if not (isinstance(v, float) and math.isinf(v))}

    @classmethod
    def from_json(cls, entries: Mapping[str, Any]) -> Coordinate:
        """The coordinate that ``to_json`` described."""
        return cls(**{**entries, "atoms": tuple(entries["atoms"])})


def find_coordinate(column: Column, values: Floats) -> tuple[Coordinate, ColumnKind]:
    """The coordinate of a column with these encoded values, and what a density must know of it."""
    if column.discrete:
        closed = column.kind == "boolean" and len(column.levels) == 2
        return Coordinate("levels"), LevelColumn(len(column.levels), closed)
    if column.kind == "circular":
        return _angle(column)
    filled = values[~np.isnan(values) & ~np.isin(values, column.atoms)]
    if column.step and len(filled) and np.ptp(filled) <= MOST_PLACES * column.step:
        return _lattice(column, filled)
    return _continuous(column, filled)


def _angle(column: Column) -> tuple[Coordinate, ColumnKind]:
    scale = column.period / (2 * math.pi)
    places = column.period / column.step if column.step else 0.0
    if places and round(places) <= MOST_ANGLES and abs(places - round(places)) < 1e-6 * places:
        # steps are counted: the density per step, not per angle
        angle = AngleColumn(2 * math.pi / round(places))
        start = column.low + (column.offset - column.low) % column.step
        end = start + column.period
        return Coordinate("angle", 0.0, scale, start, end, places=round(places)), angle
    log_step = math.log(column.step / scale) if column.step else 0.0
    coordinate = Coordinate("angle", 0.0, scale, column.low, column.high, log_step)
    return coordinate, AngleColumn()


def _lattice(column: Column, filled: Floats) -> tuple[Coordinate, ColumnKind]:
    middle = round((float(np.median(filled)) - column.offset) / column.step)
    center = column.offset + middle * column.step
    coordinate = Coordinate("lattice", center, column.step, atoms=column.atoms)
    low, high = ((bound - center) / column.step for bound in (column.low, column.high))
    # a column of what is positive starts at its first place above zero
    low = math.ceil(low - 1e-6) + (column.kind == "positive") if math.isfinite(low) else low
    high = math.floor(high + 1e-6) if math.isfinite(high) else high
    return coordinate, NumberColumn(1.0, coordinate.atom_places(), low, high)


def _continuous(column: Column, filled: Floats) -> tuple[Coordinate, ColumnKind]:
    form = column.kind if column.kind in ("positive", "bounded") else "real"
    low = 0.0 if form == "positive" else column.low
    bounds = (low, column.high) if form != "real" else (-math.inf, math.inf)
    with np.errstate(divide="ignore", invalid="ignore"):
        free, _ = _free(filled, form, *bounds)
    center, scale = _center_and_scale(free[np.isfinite(free)])
    log_step = math.log(column.step) if column.step else 0.0
    # no map of the inside takes a bound to a number: where there are such values, it has a mass
    ends = tuple(bound for bound in bounds if np.isin(bound, filled))
    coordinate = Coordinate(form, center, scale, *bounds, log_step, atoms=(*column.atoms, *ends))
    return coordinate, NumberColumn(0.0, coordinate.atom_places())


def _center_and_scale(free: Floats) -> tuple[float, float]:
    """Mean and standard deviation; 1 where all numbers are one."""
    size = float(np.abs(free).max(initial=0.0))
    if not size:
        return 0.0, 1.0
    # squares of large and small numbers leave the floating-point range
    return size * float((free / size).mean()), size * float((free / size).std()) or 1.0


def _free(values: Floats, form: str, low: float, high: float) -> tuple[Floats, Floats]:
    """Numbers without their support, and the logarithms of the slopes there."""
    if form == "positive":
        free = np.log(values)
        return free, -free
    if form == "bounded":
        below, above = np.log(values - low), np.log(high - values)
        return below - above, math.log(high - low) - below - above
    return values, np.zeros_like(values)


def _bound(free: Floats, form: str, low: float, high: float) -> Floats:
    if form == "positive":
        return np.exp(np.minimum(free, 700.0))
    if form == "bounded":
        return low + (high - low) / (1 + np.exp(-np.clip(free, -700.0, 700.0)))
    return free
