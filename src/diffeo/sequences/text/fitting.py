"""From a text to a fitted model of its characters, in one call."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from diffeo.errors import DataError
from diffeo.sequences.symbols.data import SymbolData
from diffeo.sequences.symbols.fitting import built, fit_windows, judged
from diffeo.sequences.symbols.judging import SymbolModel
from diffeo.sequences.symbols.windows import cut
from diffeo.sequences.text.loading import SUFFIXES, load_text, text_data

__all__ = ["fit_text", "held_out_text"]


def fit_text(
    text: str | os.PathLike[str],
    *,
    model: str = "argmax-autoregressive",
    length: int | None = None,
    options: Mapping[str, Any] | None = None,
    seed: int = 0,
    validation: float | None = 0.05,
    **fit: Any,
) -> SymbolModel:
    """Fit a model of characters to a text.

    The text is cut into windows that overlap; its end is held out. The record of the model holds,
    under "sequences", where the text comes from, and bits a character of what was held out.

    Args:
        text: a ``Path`` to a file, or a string: a file's name if it is one line that ends in .txt,
            .gz or .xz, else the text itself.
        model: "argmax-autoregressive" or "argmax-coupling".
        length: characters that the model sees at a time; by default 256, or less of short texts.
        options: keywords of the named model; they win over the defaults.
        seed: of weights and training.
        validation: share of the text that is held out, its end; None for none.
        **fit: further arguments of ``Model.fit``.

    Raises:
        UnknownModelError: no such model.
        DataError: a file that is no text, a text that is too short, or an option that the model
            does not have.
        ShapeError, ValueError: sizes that do not fit.

    Example:
        >>> from diffeo.sequences import fit_text
        >>> model = fit_text(
        ...     "so it goes, " * 50, length=16, options={"dim": 8, "layers": 1}, epochs=1,
        ...     progress=False,
        ... )
        >>> "".join(model.alphabet)
        ' ,egiost'
    """
    path = _path(text)
    source = "the text" if path is None else str(path)
    data = text_data(str(text) if path is None else load_text(path), source=source)
    train, held_out = held_out_text(data, validation)
    size = _length(train, held_out, length)
    flow = built(model, size, data.alphabet, options, seed)
    hop = max(1, size // 2)
    fit_windows(
        flow,
        cut(train.sequences, size, hop),
        None if held_out is None else cut(held_out.sequences, size, size),
        seed=seed,
        source=source,
        **fit,
    )
    flow.record["sequences"] = {
        "kind": "text",
        "source": source,
        "validation": validation,
        "characters": len(data.sequences[0]),
        **judged(flow, held_out),
    }
    return flow


def _path(text: str | os.PathLike[str]) -> Path | None:
    """The file that is meant; None for a text."""
    named = isinstance(text, str) and ("\n" in text or not text.endswith(SUFFIXES))
    return None if named else Path(text)


def held_out_text(
    data: SymbolData, validation: float | None
) -> tuple[SymbolData, SymbolData | None]:
    """The start of a text, and its end.

    Raises:
        ValueError: a share that is not between 0 and 1.
    """
    if not validation:
        return data, None
    if not 0 < validation < 1:
        raise ValueError(f"validation must be a share in (0, 1), got {validation!r}")
    (codes,) = data.sequences
    end = len(codes) - max(1, round(validation * len(codes)))
    parts = [
        SymbolData([part], data.alphabet, data.source)
        for part in (codes[:end], codes[end:])
        if len(part)
    ]
    if len(parts) < 2:
        raise DataError(f"{data.source} of {len(codes)} characters is too short to hold out a part")
    return parts[0], parts[1]


def _length(train: SymbolData, held_out: SymbolData | None, given: int | None) -> int:
    """Characters in a window.

    Raises:
        DataError: the text is too short for windows of the length that is wanted.
    """
    characters = len(train.sequences[0])
    size = min(256, characters // 8) if given is None else given
    if held_out is not None and given is None:
        size = min(size, len(held_out.sequences[0]))
    if size < 2 or characters < 3 * size + 10:
        raise DataError(
            f"{train.source}: {characters} characters to train on are too few for windows of "
            f"{size}; give at least {3 * max(size, 2) + 10}, or a smaller length="
        )
    return size
