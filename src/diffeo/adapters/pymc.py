"""PyMC models as targets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from diffeo.adapters.compiled import CompiledTarget, refuse_discrete
from diffeo.errors import TargetError, import_extra

__all__ = ["PyMCTarget"]


class PyMCTarget(CompiledTarget):
    """The joint density of a PyMC 5 model at its data, on the reals of its value variables.

    The maps onto the supports are those that PyMC chose, and their log-determinants count. Values
    and gradients of a whole batch are computed at once, by PyTensor's operations on numpy arrays:
    nothing is compiled to machine code, so no compiler is needed and a model is ready in seconds.

    Args:
        model: the model.
        mode: a mode of ``pytensor.function`` to compile by instead, such as "NUMBA"; it may take
            minutes, and pays for a model that is evaluated millions of times.

    Attributes:
        shapes: of the free variables, and after them of the deterministic ones.

    Raises:
        MissingExtraError: PyMC is not installed.
        TargetError: something other than a model, one without free variables, or with discrete
            ones, or with minibatches.

    Reference: "PyMC: a modern, and comprehensive probabilistic programming framework in Python",
    Abril-Pla et al., 2023, doi:10.7717/peerj-cs.1516.
    """

    def __init__(self, model: Any, *, mode: Any = None) -> None:
        pymc = import_extra("pymc", "pymc")
        if not isinstance(model, pymc.Model):
            raise TargetError(f"PyMCTarget takes a pymc.Model, got {model!r:.60}")
        refuse_discrete("PyMC", [rv.name for rv in _discrete(model)])
        if not model.value_vars:
            raise TargetError("the PyMC model has no free variables: nothing is to be inferred")
        wanted = model.free_RVs + model.deterministics
        start, density = model.initial_point(), model.logp()
        _refuse_random(density)
        outputs, flat = import_extra("pymc.pytensorf", "pymc").join_nonshared_inputs(
            start, [density, *model.replace_rvs_by_values(wanted)], model.value_vars
        )
        log_prob, *values = outputs
        gradient = import_extra("pytensor", "pymc").grad(log_prob, flat)
        chosen = _interpreted() if mode is None else mode
        self._compiled_both = _batched(flat, [log_prob, gradient], chosen)
        self._compiled_named = _batched(flat, values, chosen)
        dim = sum(start[var.name].size for var in model.value_vars)
        super().__init__(dim, torch.float32 if flat.dtype == "float32" else torch.float64)
        self._names = [rv.name for rv in wanted]
        here = self._named(np.zeros((1, dim), flat.dtype))
        self.shapes = {name: value.shape[1:] for name, value in here.items()}

    def _value(self, z: Any) -> Any:
        return self._both(z)[0]

    def _both(self, z: Any) -> tuple[Any, Any]:
        value, gradient = self._compiled_both(z)
        return value, gradient

    def _named(self, z: Any) -> dict[str, Any]:
        return dict(zip(self._names, self._compiled_named(z), strict=True))


def _discrete(model: Any) -> list[Any]:
    values = set(model.discrete_value_vars)
    return [rv for rv in model.free_RVs if model.rvs_to_values[rv] in values]


def _refuse_random(density: Any) -> None:
    # compiled, its draws would be the same in every call
    if import_extra("pymc.pytensorf", "pymc").rvs_in_graph([density]):
        raise TargetError(
            "the density of the PyMC model is itself random, as with pm.Minibatch: give the model "
            "all rows"
        )


def _interpreted() -> Any:
    # numpy works on one operation at a time: those fused for a compiler would go row by row
    mode = import_extra("pytensor.compile.mode", "pymc")
    return mode.Mode("py", "fast_run").excluding("fusion", "inplace")


def _batched(flat: Any, outputs: Sequence[Any], mode: Any) -> Any:
    """The function from (n, dim) to what ``outputs`` are for each row of ``flat``."""
    pytensor = import_extra("pytensor", "pymc")
    rows = pytensor.tensor.matrix("z", dtype=flat.dtype)
    vectorize = import_extra("pytensor.graph.replace", "pymc").vectorize_graph
    batched = [
        # what does not depend on z got no axis of rows
        new
        if new.ndim > old.ndim
        else pytensor.tensor.broadcast_to(new, (rows.shape[0], *old.shape))
        for old, new in zip(outputs, vectorize(list(outputs), {flat: rows}), strict=True)
    ]
    return pytensor.function([rows], batched, mode=mode)
