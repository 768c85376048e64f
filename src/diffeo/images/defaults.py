"""Sizes of image models and lengths of fits that two cores of a laptop can bear."""

from __future__ import annotations

from typing import Any

from diffeo.errors import UnknownModelError
from diffeo.flow import Flow
from diffeo.models.images import FlowPlusPlus, Glow, ImageRealNVP, TarFlow
from diffeo.univariates import RationalQuadraticSpline

__all__ = [
    "IMAGE_MODEL_NAMES",
    "default_model",
    "fit_options",
    "image_model_class",
    "model_options",
]

_MODELS: dict[str, type[Flow]] = {
    cls.__name__.lower(): cls for cls in (FlowPlusPlus, Glow, ImageRealNVP, TarFlow)
}
IMAGE_MODEL_NAMES = sorted(_MODELS)
# images of up to 16 x 16 pixels, such as scikit-learn's digits
_SMALL = 256
# what a fit costs in all, minutes to an hour: pixels, and as many for an image as its layers cost
_PIXELS, _OVERHEAD = 3e7, 150
_FEWEST_EPOCHS, _MOST_EPOCHS = 5, 200
# in place of affine maps: fewer bits after as many epochs on every set that was tried, by a quarter
# where most pixels are black or white
_SPLINE = RationalQuadraticSpline(8)


def image_model_class(name: str) -> Any:
    """The class of image model of a name, in any case.

    Raises:
        UnknownModelError: naming all.
    """
    found = _MODELS.get(name.lower())
    if found is None:
        raise UnknownModelError(
            f"no model of images is called {name!r}; there are {', '.join(_MODELS)}"
        )
    return found


def default_model(image_shape: tuple[int, int, int]) -> str:
    """The model that images of a shape get: Glow where they can be halved."""
    _, height, width = image_shape
    return "tarflow" if height % 2 or width % 2 else "glow"


def model_options(name: str, image_shape: tuple[int, int, int]) -> dict[str, Any]:
    """Sizes of the model of a name for images of a shape.

    Raises:
        UnknownModelError: no such model.

    Example:
        >>> from diffeo.images.defaults import model_options
        >>> model_options("glow", (1, 28, 28))
        {'scales': 2, 'steps': 4, 'hidden': 96, 'univariate': RationalQuadraticSpline(bins=8)}
    """
    build = image_model_class(name)
    _, height, width = image_shape
    small = height * width <= _SMALL
    scales = max(1, min(3, _halvings(height), _halvings(width)))
    if build is TarFlow:
        sizes = {"patch": _patch(height, width), "blocks": 4, "layers": 2}
        return {**sizes, "dim": 64 if small else 128, "univariate": _SPLINE}
    if build is Glow:
        return {"scales": scales, "steps": 4, "hidden": 48 if small else 96, "univariate": _SPLINE}
    scales = min(2, scales)
    if build is ImageRealNVP:
        return {"scales": scales, "couplings": 3, "hidden": 32, "blocks": 1 if small else 2}
    return {"scales": scales, "couplings": 2, "hidden": 32, "blocks": 1, "components": 4}


def fit_options(name: str, rows: int, image_shape: tuple[int, int, int]) -> dict[str, Any]:
    """Epochs, batch size and learning rate of a model for so many images of a shape.

    Raises:
        UnknownModelError: no such model.

    Example:
        >>> from diffeo.images.defaults import fit_options
        >>> fit_options("glow", 1617, (1, 8, 8))
        {'epochs': 87, 'batch_size': 64, 'lr': 0.002}
    """
    _, height, width = image_shape
    epochs = round(_PIXELS / (max(rows, 1) * (height * width + _OVERHEAD)))
    return {
        "epochs": min(max(epochs, _FEWEST_EPOCHS), _MOST_EPOCHS),
        "batch_size": 64 if rows < 20_000 else 128,
        "lr": 2e-3 if image_model_class(name) in (Glow, TarFlow) else 1e-3,
    }


def _halvings(side: int) -> int:
    """How often a side can be halved."""
    return (side & -side).bit_length() - 1


def _patch(height: int, width: int) -> int:
    """The side of a patch that leaves about 8 of them along the shorter side."""
    wanted = max(1, min(height, width) // 8)
    sides = [side for side in range(1, wanted + 2) if height % side == width % side == 0]
    return max(sides, key=lambda side: (-abs(side - wanted), side))
