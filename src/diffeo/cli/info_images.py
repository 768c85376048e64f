"""What a model file of images holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from diffeo.images import ImageModel

__all__ = ["image_architecture"]


def image_architecture(model: ImageModel) -> list[tuple[str, str]]:
    """Size, classes, flow and parameters."""
    from diffeo.cli.image_summary import classes_in_words
    from diffeo.images.matching import in_words

    size = [
        ("images", f"{in_words(model.event_shape)}, {model.bits} bits a pixel"),
        ("classes", classes_in_words(model)),
    ]
    if "images" in model.record:  # the summary of training says so too
        size = []
    sizes = {k: v for k, v in model.flow.arguments().items() if v is not None}
    shown = ", ".join(f"{name}={value}" for name, value in sizes.items())
    noise = f"{model.dequantization} dequantisation"
    parameters = sum(p.numel() for p in model.parameters())
    return [
        ("model", f"ImageModel, {noise}{', mirrored in training' * model.flips}"),
        ("flow", f"{type(model.flow).__name__}({shown})"),
        *size,
        ("parameters", f"{parameters:,} of {str(model.like.dtype).removeprefix('torch.')}"),
        ("log_prob", f"{model.exactness}, the probability of an image of whole-number pixels"),
    ]
