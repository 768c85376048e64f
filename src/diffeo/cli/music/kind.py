"""Music among the kinds of data."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from diffeo.cli.kind import Kind, Pairs
from diffeo.cli.music.fit import LATENT
from diffeo.cli.sequence_summary import kind_of_symbols, sequence_architecture, sequence_training

if TYPE_CHECKING:
    from diffeo.cli.fit_options import Options
    from diffeo.model import Model

__all__ = ["Music"]


class Music(Kind):
    """Pieces of music: rolls and ``LatentSequenceFlow``, voices and flows of symbols."""

    name = "music"
    flags: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "fit": ("split",),
        "sample": ("temperature", "length", "prefix", "harmonise", "tempo"),
        "score": ("split",),
    }

    def add_flags(self, command: str, parser: argparse.ArgumentParser) -> None:
        if command == "sample":
            group = parser.add_argument_group("music")
            group.add_argument(
                "--harmonise",
                metavar="FILE",
                help="a piece whose first voice is kept, and the others drawn to it",
            )
            group.add_argument(
                "--tempo", type=float, metavar="X", help="quarter notes a minute (100)"
            )

    def model_names(self) -> Iterable[str]:
        from diffeo.sequences.symbols.defaults import SYMBOL_MODEL_NAMES

        return [LATENT, *SYMBOL_MODEL_NAMES]

    def holds(self, path: str) -> bool:
        from diffeo.sequences.music import holds_music

        return holds_music(path)

    def owns(self, model: Model) -> bool:
        from diffeo.sequences import LatentSequenceFlow

        return isinstance(model, LatentSequenceFlow) or kind_of_symbols(model) == "voices"

    def fit(self, name: str, arguments: argparse.Namespace, options: Options) -> Model:
        from diffeo.cli.music.fit import fit_music

        return fit_music(name, arguments, options)

    def sample(self, model: Any, arguments: argparse.Namespace) -> str:
        from diffeo.cli.music.sample import sample_music

        return sample_music(model, arguments)

    def score(self, model: Any, arguments: argparse.Namespace) -> None:
        from diffeo.cli.music.score import score_music

        score_music(model, arguments)

    def report(self, model: Any, arguments: argparse.Namespace) -> None:
        from diffeo.errors import DataError

        raise DataError("there is no page that judges music; hear samples, and see diffeo score")

    def architecture(self, model: Any) -> Pairs:
        return sequence_architecture(model)

    def trained_on(self, model: Any) -> Pairs:
        return sequence_training(model)
