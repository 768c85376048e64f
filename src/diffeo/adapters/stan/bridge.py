"""A model of BridgeStan, row by row."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np

from diffeo.arrays import Floats

__all__ = ["Bridge", "is_bridge"]


def is_bridge(model: object) -> bool:
    """Whether ``model`` looks like a ``bridgestan.StanModel``."""
    return all(hasattr(model, name) for name in ("log_density_gradient", "param_constrain"))


class Bridge:
    """What ``Compiled`` offers, of a ``bridgestan.StanModel``."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self.dim = int(model.param_unc_num())
        self.names = list(model.param_names(include_tp=True, include_gq=False))
        self.declared = len(model.param_names(include_tp=False, include_gq=False))

    def evaluate(self, z: Floats, gradient: bool) -> tuple[Floats, Floats | None, int, str]:
        values, slopes = np.full(len(z), -np.inf), np.zeros_like(z)
        failures = []
        for i, row in enumerate(z):
            try:
                value, slope = self._density(row, gradient)
            except Exception as error:  # BridgeStan raises RuntimeError for whatever Stan throws
                failures.append(str(error))
                continue
            if np.isnan(value):
                failures.append("the log-density is NaN")
                continue
            values[i], slopes[i] = value, slope
        message = failures[0] if failures else ""
        return values, slopes if gradient else None, len(failures), message

    def constrain(self, z: Floats) -> Floats:
        values = np.full((len(z), len(self.names)), np.nan)
        for row, out in zip(z, values, strict=True):
            # without the transformed parameters, should those fail
            for also in (True, False):
                with suppress(RuntimeError):
                    found = self._model.param_constrain(row, include_tp=also, include_gq=False)
                    out[: len(found)] = found
                    break
        return values

    def unconstrain(self, values: Floats) -> Floats:
        z = np.empty((len(values), self.dim))
        for row, out in zip(values, z, strict=True):
            out[:] = self._model.param_unconstrain(row)
        return z

    def _density(self, row: Floats, gradient: bool) -> tuple[float, Floats | float]:
        if gradient:
            value, slope = self._model.log_density_gradient(row, propto=False, jacobian=True)
            return value, slope
        return self._model.log_density(row, propto=False, jacobian=True), 0.0
