"""What the JAX libraries share: compiled maps of parameters and events, torch at the edges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch import Tensor

from peers.contestant import Contestant, Noise

__all__ = ["JaxContestant"]

Map = Callable[[Any, jax.Array], tuple[jax.Array, jax.Array]]


class JaxContestant(Contestant):
    """``to_base(parameters, x)`` and ``to_data(parameters, z)`` as pure functions of batches."""

    def __init__(self, parameters: Any, to_base: Map, to_data: Map) -> None:
        self.parameters = parameters
        self.base_map, self.data_map = to_base, to_data
        self._to_base = jax.jit(to_base)
        self._to_data = jax.jit(to_data)

    def to_base(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return _back(self._to_base(self.parameters, jnp.asarray(x.numpy())))

    def to_data(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return _back(self._to_data(self.parameters, jnp.asarray(z.numpy())))

    def perturb(self, noise: Noise) -> None:
        self.parameters = jax.tree_util.tree_map(
            lambda p: p + jnp.asarray(noise(p.shape).numpy(), p.dtype), self.parameters
        )


def _back(pair: tuple[jax.Array, jax.Array]) -> tuple[Tensor, Tensor]:
    value, ladj = (torch.from_numpy(np.array(array)) for array in pair)
    return value, ladj
