"""What a benchmark needs of a flow, whichever library it comes from."""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

__all__ = [
    "KINDS",
    "Architecture",
    "Contestant",
    "Kind",
    "Map",
    "Noise",
    "NotOffered",
    "TorchContestant",
    "alternating",
    "log_normal",
    "mlp",
]

Kind = Literal[
    "affine coupling", "affine autoregressive", "RQ coupling", "RQ autoregressive", "planar"
]
# those that every adapter's ``build`` knows; planar layers have a function of their own
KINDS: tuple[Kind, ...] = (
    "affine coupling",
    "affine autoregressive",
    "RQ coupling",
    "RQ autoregressive",
)

Map = Callable[[Tensor], tuple[Tensor, Tensor]]  # events to events and log-determinants
Noise = Callable[[tuple[int, ...]], Tensor]  # what to add to a parameter of that shape


class NotOffered(Exception):  # an answer, not an error
    """The library has no flow of that kind."""


@dataclass(frozen=True)
class Architecture:
    """One flow that every library builds with its own parts.

    Attributes:
        kind: which layers.
        layers: how many.
        features: number of features.
        hidden: widths of each conditioner.
        bins, bound: of the splines, which bend on [-bound, bound].
    """

    kind: Kind
    layers: int
    features: int = 8
    hidden: tuple[int, int] = (128, 128)
    bins: int = 8
    bound: float = 5.0


class Contestant(ABC):
    """A flow in float32, in evaluation mode; it takes and gives torch tensors (rows, features)."""

    @abstractmethod
    def to_base(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The density direction: z and log |det dz/dx| (rows)."""

    @abstractmethod
    def to_data(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The sampling direction: x and log |det dx/dz| (rows)."""

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) (rows) with a standard normal base."""
        z, ladj = self.to_base(x)
        return log_normal(z) + ladj

    def sample(self, z: Tensor) -> Tensor:
        """The samples that belong to given noise, without their log-determinants."""
        return self.to_data(z)[0]

    @abstractmethod
    def perturb(self, noise: Noise) -> None:
        """Add ``noise(shape)`` to every parameter that training would change."""


class TorchContestant(Contestant):
    """A contestant whose parameters are those of one module."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module.eval()

    @torch.no_grad()
    def perturb(self, noise: Noise) -> None:
        for parameter in self.module.parameters():
            if parameter.requires_grad:  # FrEIA keeps its fixed permutations as parameters
                parameter.add_(noise(tuple(parameter.shape)).to(parameter))

    def double(self) -> TorchContestant:
        """A copy of the same flow in float64."""
        copied = copy.deepcopy(self)
        copied.module.double()
        return copied


def log_normal(z: Any) -> Any:
    """log N(z; 0, 1) (rows), of tensors and of JAX's arrays."""
    return -0.5 * (z**2).sum(-1) - 0.5 * math.log(2 * math.pi) * z.shape[-1]


class _IgnoresContext(nn.Sequential):
    """nflows and normflows hand their networks a context, here None."""

    def forward(self, x: Tensor, context: None = None) -> Tensor:
        return super().forward(x)


def mlp(inputs: int, outputs: int, hidden: tuple[int, int]) -> nn.Sequential:
    """The conditioner for libraries that ask their user for one."""
    return _IgnoresContext(
        nn.Linear(inputs, hidden[0]),
        nn.ReLU(),
        nn.Linear(hidden[0], hidden[1]),
        nn.ReLU(),
        nn.Linear(hidden[1], outputs),
    )


def alternating(features: int, layer: int) -> Tensor:
    """Even features in even layers, odd ones in odd layers."""
    return (torch.arange(features) % 2 == layer % 2).int()
