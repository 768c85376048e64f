"""Texts among the kinds of data."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from diffeo.cli.kind import Kind, Pairs
from diffeo.cli.sequence_summary import kind_of_symbols, sequence_architecture, sequence_training

if TYPE_CHECKING:
    from diffeo.cli.fit_options import Options
    from diffeo.model import Model

__all__ = ["Text"]

_SUFFIXES = (".txt", ".txt.gz", ".txt.xz")


class Text(Kind):
    """Texts, and flows of their characters."""

    name = "text"
    flags: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "sample": ("temperature", "length", "prefix", "fill")
    }

    def add_flags(self, command: str, parser: argparse.ArgumentParser) -> None:
        if command == "sample":
            group = parser.add_argument_group("text")
            group.add_argument(
                "--fill",
                metavar="TEXT",
                help="a text with one _ for each character that is to be filled in",
            )

    def model_names(self) -> Iterable[str]:
        from diffeo.sequences.symbols.defaults import SYMBOL_MODEL_NAMES

        return SYMBOL_MODEL_NAMES

    def holds(self, path: str) -> bool:
        return Path(path).name.lower().endswith(_SUFFIXES)

    def owns(self, model: Model) -> bool:
        return kind_of_symbols(model) == "text"

    def fit(self, name: str, arguments: argparse.Namespace, options: Options) -> Model:
        from diffeo.sequences import fit_text

        name = "argmax-autoregressive" if name == "auto" else name
        if not arguments.quiet:
            print(f"model {name}: fitting the characters of {arguments.data}", flush=True)
        fit: dict[str, Any] = {"seed": 0, **options.fit}
        return fit_text(Path(arguments.data), model=name, options=options.model, **fit)

    def sample(self, model: Any, arguments: argparse.Namespace) -> str:
        from diffeo.cli.text.sample import sample_text

        drawn = sample_text(model, arguments)
        return f"{drawn:,} text{'s' * (drawn > 1)}"

    def score(self, model: Any, arguments: argparse.Namespace) -> None:
        from diffeo.cli.text.score import score_text

        score_text(model, arguments)

    def report(self, model: Any, arguments: argparse.Namespace) -> None:
        from diffeo.errors import DataError

        raise DataError("there is no page that judges text; read samples, and see diffeo score")

    def architecture(self, model: Any) -> Pairs:
        return sequence_architecture(model)

    def trained_on(self, model: Any) -> Pairs:
        return sequence_training(model)
