"""Sizes of models of symbols, and lengths of fits that two cores of a laptop can bear."""

from __future__ import annotations

import math
from typing import Any

from diffeo.errors import UnknownModelError
from diffeo.models.sequences import ArgmaxAutoregressive, ArgmaxCoupling

__all__ = [
    "SYMBOL_MODEL_NAMES",
    "fit_options",
    "model_options",
    "symbol_model_class",
    "warm_cosine",
]

_MODELS: dict[str, Any] = {
    "argmax-autoregressive": ArgmaxAutoregressive,
    "argmax-coupling": ArgmaxCoupling,
}
SYMBOL_MODEL_NAMES = sorted(_MODELS)
# what a fit costs in all, some ten minutes: symbols that are worked on
_SYMBOLS = 2e7
_FEWEST_EPOCHS, _MOST_EPOCHS = 2, 200
_WARM = 0.03


def symbol_model_class(name: str) -> Any:
    """The class of model of symbols of a name.

    Raises:
        UnknownModelError: naming all.
    """
    found = _MODELS.get(name.lower())
    if found is None:
        raise UnknownModelError(
            f"no model of symbols is called {name!r}; there are {', '.join(_MODELS)}"
        )
    return found


def model_options(name: str) -> dict[str, Any]:
    """Sizes of the model of a name.

    Raises:
        UnknownModelError: no such model.
    """
    if symbol_model_class(name) is ArgmaxAutoregressive:
        # in fits of minutes an LSTM is far ahead of blocks of attention alone
        return {"dim": 160, "layers": 1, "recurrent": 1, "any_order": 0.25}
    return {"couplings": 8, "dim": 64, "layers": 2}


def fit_options(rows: int, length: int) -> dict[str, Any]:
    """Epochs, batch size and steps for so many rows of a length.

    Example:
        >>> from diffeo.sequences.symbols.defaults import fit_options
        >>> fit_options(4000, 128)["epochs"]
        39
    """
    epochs = round(_SYMBOLS / max(rows * length, 1))
    return {
        "epochs": min(max(epochs, _FEWEST_EPOCHS), _MOST_EPOCHS),
        # of few rows, so that an epoch has some steps
        "batch_size": min(max(8192 // length, 16), 256, max(16, rows // 20)),
        "lr": 2e-3,
        "schedule": warm_cosine,
        # the loss is a sum over positions
        "clip": float(length),
    }


def warm_cosine(progress: float) -> float:
    """A learning rate's factor that rises in the first steps, then falls as a cosine to 0."""
    falling = 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
    return min((progress + 1e-3) / _WARM, 1.0) * falling
