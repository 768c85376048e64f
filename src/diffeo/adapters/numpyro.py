"""NumPyro models as targets."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.utils import _pytree as pytree

from diffeo.adapters.compiled import CompiledTarget, refuse_discrete
from diffeo.errors import TargetError, import_extra

__all__ = ["NumPyroTarget"]


class NumPyroTarget(CompiledTarget):
    """The joint density of a NumPyro model at its data, on the reals.

    Each latent site is mapped from the reals onto its support by ``biject_to``, also where the
    support depends on other sites. Values and gradients are computed by jax for a whole batch at
    once, compiled for batches of 1, 2, 4, 8, ... points, which others are filled up to.

    The dtype is jax's: float32, or float64 after ``numpyro.enable_x64()``, which is worth calling
    before anything else of jax; this class does not, since it would change the whole process.

    Args:
        model: the model. ``param`` sites keep their initial values.
        args, kwargs: of the model, with the data.

    Attributes:
        shapes: of the latent sites, and after them of the deterministic ones.

    Raises:
        MissingExtraError: NumPyro is not installed.
        TargetError: no latent sites, discrete ones, or plates that subsample.

    Reference: "Composable Effects for Flexible and Accelerated Probabilistic Programming in
    NumPyro", Phan, Pradhan, Jankowiak, 2019, arXiv:1912.11554.
    """

    def __init__(self, model: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        jax = import_extra("jax", "numpyro")
        numpyro = import_extra("numpyro", "numpyro")
        util = import_extra("numpyro.infer.util", "numpyro")
        flatten = import_extra("jax.flatten_util", "numpyro")
        if not callable(model):
            raise TargetError(f"NumPyroTarget takes a NumPyro model, got {model!r:.60}")
        seeded = numpyro.handlers.seed(model, 0)
        start = _start(numpyro, seeded, args, kwargs)
        # a list, because jax would sort the names of a dictionary
        flat, unravel = flatten.ravel_pytree(list(start.values()))

        def sites(z: Any) -> dict[str, Any]:
            return dict(zip(start, unravel(z), strict=True))

        def log_prob(z: Any) -> Any:
            return -util.potential_energy(seeded, args, kwargs, sites(z))

        def named(z: Any) -> Any:
            return util.constrain_fn(seeded, args, kwargs, sites(z), return_deterministic=True)

        super().__init__(flat.size, torch.float64 if flat.dtype == "float64" else torch.float32)
        self._compiled_value = jax.jit(jax.vmap(log_prob))
        self._compiled_both = jax.jit(jax.vmap(jax.value_and_grad(log_prob)))
        self._compiled_named = jax.jit(jax.vmap(named))
        shapes = jax.eval_shape(named, flat)
        names = [*start, *(name for name in shapes if name not in start)]
        self.shapes = {name: tuple(shapes[name].shape) for name in names}

    def _value(self, z: Any) -> Any:
        return _call(self._compiled_value, z)

    def _both(self, z: Any) -> tuple[Any, Any]:
        value, gradient = _call(self._compiled_both, z)
        return value, gradient

    def _named(self, z: Any) -> dict[str, Any]:
        values = _call(self._compiled_named, z)
        return {name: values[name] for name in self.shapes}


def _call(function: Callable[[Any], Any], z: Any) -> Any:
    """A compiled function at points (n, dim), filled up to few different numbers of them."""
    n = len(z)
    filled = np.resize(z, (1 << (n - 1).bit_length(), z.shape[1]))
    # out of jax first, which would compile the slice as well
    return pytree.tree_map(lambda array: np.asarray(array)[:n], function(filled))


def _start(
    numpyro: Any, model: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> dict[str, Any]:
    """Reals for each latent site of a model, of the right shapes."""
    # improper priors cannot be drawn from
    feasible = numpyro.handlers.substitute(model, substitute_fn=numpyro.infer.init_to_uniform)
    sites = numpyro.handlers.trace(feasible).get_trace(*args, **kwargs)
    _refuse_subsampling(sites)
    latent = {
        name: site
        for name, site in sites.items()
        if site["type"] == "sample" and not site["is_observed"]
    }
    refuse_discrete("NumPyro", [name for name in latent if latent[name]["fn"].support.is_discrete])
    biject_to = numpyro.distributions.biject_to
    start = {
        name: biject_to(site["fn"].support).inv(site["value"]) for name, site in latent.items()
    }
    if not any(math.prod(value.shape) for value in start.values()):
        raise TargetError("the NumPyro model has no latent variables: nothing is to be inferred")
    return start


def _refuse_subsampling(sites: dict[str, Any]) -> None:
    for name, site in sites.items():
        if site["type"] == "plate" and site["args"][1] not in (None, site["args"][0]):
            raise TargetError(
                f"plate {name!r} subsamples {site['args'][1]} of {site['args'][0]}: its density "
                f"is random; make it a plate of all rows"
            )
