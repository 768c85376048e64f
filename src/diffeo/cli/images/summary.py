"""What a model of images is and how it was fitted, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from diffeo.images import ImageModel

__all__ = ["bits_in_words", "classes_in_words", "image_architecture", "image_training"]

_SHOWN = 12  # classes


def bits_in_words(mean: float, error: float | None) -> str:
    """Bits per dimension with their standard error."""
    return f"{mean:.4f}{'' if error is None else f' ± {error:.4f}'} bits per dimension"


def classes_in_words(model: ImageModel) -> str:
    """How many classes, and which."""
    names = model.classes
    if not names:
        return "none"
    more = f", ... and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{len(names)}: {', '.join(names[:_SHOWN])}{more}"


def image_architecture(model: ImageModel) -> list[tuple[str, str]]:
    """Size, classes, flow and parameters."""
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


def image_training(model: ImageModel) -> list[tuple[str, str]]:
    """Images, classes and bits per dimension of a fit."""
    from diffeo.images.matching import in_words

    record, data = model.record["images"], model.record["data"]
    size = f"{in_words(model.event_shape)}, {model.bits} bits"
    found = [
        ("images", f"{size}; {data['rows']:,} trained on, {data['validation_rows']:,} held out"),
        ("classes", classes_in_words(model)),
    ]
    if "train_bits" in record:
        found.append(("training", bits_in_words(record["train_bits"], None)))
    if "held_out_bits" in record:
        found.append(("held out", bits_in_words(record["held_out_bits"], record["held_out_error"])))
    return found
