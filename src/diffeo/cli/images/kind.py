"""Images among the kinds of data."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from diffeo.cli.images.arguments import add_bits, add_fit_flags
from diffeo.cli.kind import Kind, Pairs

if TYPE_CHECKING:
    from diffeo.cli.fit_options import Options
    from diffeo.model import Model

__all__ = ["Images"]

_READING = ("split", "labels", "bits")


class Images(Kind):
    """Images of whole-number pixels, and ``ImageModel``."""

    name = "images"
    flags: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "fit": (*_READING, "reduce_to", "unconditional", "dequantization", "flips"),
        "sample": ("temperature", "label"),
        "score": _READING,
        "report": (*_READING, "training", "against"),
    }

    def add_flags(self, command: str, parser: argparse.ArgumentParser) -> None:
        if command in ("fit", "score", "report"):
            group = parser.add_argument_group("images")
            add_bits(group)
            if command == "fit":
                add_fit_flags(group)
            elif command == "report":
                group.add_argument(
                    "--against",
                    metavar="FILE",
                    help="other images of their size, which should cost more bits",
                )

    def model_names(self) -> Iterable[str]:
        from diffeo.images.defaults import IMAGE_MODEL_NAMES

        return IMAGE_MODEL_NAMES

    def holds(self, path: str) -> bool:
        from diffeo.images.loading.detect import holds_images

        return holds_images(path)

    def owns(self, model: Model) -> bool:
        from diffeo.images import ImageModel

        return isinstance(model, ImageModel)

    def fit(self, name: str, arguments: argparse.Namespace, options: Options) -> Model:
        from diffeo.cli.images.fit import fit_image_model

        return fit_image_model(name, arguments, options)

    def sample(self, model: Any, arguments: argparse.Namespace) -> str:
        from diffeo.cli.images.sample import sample_images

        return f"{sample_images(model, arguments):,} images"

    def score(self, model: Any, arguments: argparse.Namespace) -> None:
        from diffeo.cli.images.score import score_images

        score_images(model, arguments)

    def report(self, model: Any, arguments: argparse.Namespace) -> None:
        from diffeo.cli.images.report import report_images

        report_images(model, arguments)

    def architecture(self, model: Any) -> Pairs:
        from diffeo.cli.images.summary import image_architecture

        return image_architecture(model)

    def trained_on(self, model: Any) -> Pairs:
        from diffeo.cli.images.summary import image_training

        return image_training(model) if "images" in model.record else super().trained_on(model)
