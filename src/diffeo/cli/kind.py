"""What the subcommands do with one kind of data."""

from __future__ import annotations

import argparse
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from diffeo.cli.fit_options import Options
    from diffeo.model import Model

__all__ = ["Kind", "Pairs"]

Pairs = list[tuple[str, str]]


class Kind(ABC):
    """One kind of data, such as images, and the models of it.

    Nothing heavy is imported before it is used: ``diffeo --help`` asks all kinds for their flags.

    Attributes:
        name: in the plural, for messages.
        flags: by subcommand, the flags that it takes and not every kind does.
    """

    name: str
    flags: ClassVar[Mapping[str, tuple[str, ...]]]

    @abstractmethod
    def add_flags(self, command: str, parser: argparse.ArgumentParser) -> None:
        """Add the flags of a subcommand that belong to this kind alone."""

    @abstractmethod
    def model_names(self) -> Iterable[str]:
        """What ``diffeo fit --model`` may be, in lower case."""

    @abstractmethod
    def holds(self, path: str) -> bool:
        """Whether a path has data of this kind, as far as can be seen without reading them."""

    @abstractmethod
    def owns(self, model: Model) -> bool:
        """Whether a model is of this kind of data."""

    @abstractmethod
    def fit(self, name: str, arguments: argparse.Namespace, options: Options) -> Model:
        """A model of a name ("auto" for the one that suits), fitted to the data."""

    @abstractmethod
    def sample(self, model: Model, arguments: argparse.Namespace) -> str:
        """Write what is drawn; how much that was, in words."""

    @abstractmethod
    def score(self, model: Model, arguments: argparse.Namespace) -> None:
        """Write a score for every row or whatever the kind has instead, and print the mean."""

    @abstractmethod
    def report(self, model: Model, arguments: argparse.Namespace) -> None:
        """Write the page that judges a model."""

    @abstractmethod
    def architecture(self, model: Model) -> Pairs:
        """What a model is, as labels and values."""

    def trained_on(self, model: Model) -> Pairs:
        """The data of a fit and its losses, as labels and values."""
        from diffeo.cli.losses import rows_and_losses

        return rows_and_losses(model)

    def print_columns(self, model: Model) -> None:  # noqa: B027  most have none
        """Print what the columns of a table were taken for."""

    def print_statistics(self, model: Model) -> None:  # noqa: B027  most have none
        """Print means and other statistics of the columns of a table."""
