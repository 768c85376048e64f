"""Targets that another library compiles, on numpy arrays."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from diffeo.errors import TargetError
from diffeo.inference import GradientTarget

__all__ = ["CompiledTarget", "refuse_discrete"]


class CompiledTarget(GradientTarget):
    """A target of functions of numpy arrays, of a whole batch each.

    A subclass writes ``_value``, ``_both`` and ``_named``.
    """

    @abstractmethod
    def _value(self, z: Any) -> Any:
        """log p (n) at z (n, dim)."""

    @abstractmethod
    def _both(self, z: Any) -> tuple[Any, Any]:
        """log p (n) and its gradient (n, dim) at z (n, dim)."""

    @abstractmethod
    def _named(self, z: Any) -> dict[str, Any]:
        """Values (n, *shape) by name at z (n, dim)."""

    def _log_prob(self, z: Tensor) -> Tensor:
        if z.requires_grad and torch.is_grad_enabled():
            return super()._log_prob(z)
        return _tensor(self._value(_array(z, self.dtype)), z)

    def _value_and_gradient(self, z: Tensor) -> tuple[Tensor, Tensor]:
        value, gradient = self._both(_array(z, self.dtype))
        return _tensor(value, z), _tensor(gradient, z)

    def constrain(self, z: Tensor) -> dict[str, Tensor]:
        if z.ndim < 1 or z.shape[-1] != self.dim:
            raise TargetError(f"the target takes points (*batch, {self.dim}), got {tuple(z.shape)}")
        named = self._named(_array(z.reshape(-1, self.dim), self.dtype))
        return {
            name: _tensor(value, z).reshape((*z.shape[:-1], *value.shape[1:]))
            for name, value in named.items()
        }


def _array(z: Tensor, dtype: torch.dtype) -> Any:
    return z.detach().to("cpu", dtype).numpy()


def _tensor(array: Any, like: Tensor) -> Tensor:
    # a copy, because the library may own the array, or forbid writing to it
    return torch.from_numpy(np.array(array)).to(like)


def refuse_discrete(engine: str, names: list[str]) -> None:
    """Raise if a model has discrete latent variables, which no flow of reals can follow."""
    if names:
        raise TargetError(
            f"the {engine} model has discrete latent variables: {', '.join(names)}; a posterior "
            f"by a flow needs continuous ones, so sum them out of the likelihood (a mixture "
            f"distribution, for one), or observe them"
        )
