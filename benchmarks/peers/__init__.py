"""Flows of other libraries behind one contract; a library that is not installed is only named."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from types import ModuleType

from peers.contestant import (
    KINDS,
    Architecture,
    Contestant,
    Kind,
    Map,
    NotOffered,
    TorchContestant,
)

__all__ = [
    "KINDS",
    "PACKAGES",
    "PEERS",
    "Architecture",
    "Contestant",
    "Kind",
    "Map",
    "NotOffered",
    "TorchContestant",
    "adapter",
]

PEERS: tuple[str, ...] = (
    "nflows",
    "normflows",
    "zuko",
    "Pyro",
    "FrEIA",
    "torchflows",
    "FlowJAX",
    "Distrax",
)
# as pip knows them, with what they run on
PACKAGES: Sequence[str] = (
    "nflows",
    "normflows",
    "zuko",
    "pyro-ppl",
    "FrEIA",
    "torchflows",
    "flowjax",
    "distrax",
    "jax",
)


def adapter(library: str) -> ModuleType:
    """The adapter of a library; its ``build(architecture)`` makes a contestant.

    Raises:
        ModuleNotFoundError: the library is not installed.
    """
    return importlib.import_module(f"peers.{library.lower()}_flows")
