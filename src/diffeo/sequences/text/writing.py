"""Text that a model writes: new, continued, or filled in."""

from __future__ import annotations

import numpy as np

from diffeo.density import Seed
from diffeo.errors import DataError
from diffeo.sequences.symbols.data import SymbolData
from diffeo.sequences.symbols.filling import filled, of_any_order
from diffeo.sequences.symbols.judging import Bits, SymbolModel, bits_per_symbol, whole_windows
from diffeo.sequences.text.loading import text_data

__all__ = ["bits_per_character", "generate", "infill"]


def generate(
    model: SymbolModel,
    prefix: str = "",
    *,
    length: int | None = None,
    count: int = 1,
    temperature: float = 1.0,
    seed: Seed = None,
) -> list[str]:
    """Texts that begin with a prefix.

    Beyond the model's length it writes on by windows, each of which sees half its length of what
    came before.

    Args:
        model: fitted by ``fit_text``.
        prefix: how all of them begin; shorter than the model's length.
        length: characters of each, with the prefix; by default the model's length.
        count: number of texts.
        temperature: below 1, probable characters become more so; at 0 each is the most probable.
        seed: of the draws.

    Raises:
        DataError: a prefix that is too long, or holds a character that the model does not have;
            of couplings, any prefix, temperature, or length beyond the model's.
        ValueError: a temperature that is not a finite number >= 0, or a length below that of the
            prefix.

    Example:
        >>> from diffeo.models import ArgmaxAutoregressive
        >>> from diffeo.sequences.text import generate
        >>> model = ArgmaxAutoregressive(8, "abc", dim=8, layers=1, seed=0)
        >>> [len(text) for text in generate(model, "ab", length=20, count=2, seed=0)]
        [20, 20]
    """
    most = model.event_shape[0]
    length = most if length is None else length
    if length < max(1, len(prefix)):
        raise ValueError(f"length must be at least {max(1, len(prefix))}, got {length}")
    if len(prefix) >= most:
        raise DataError(
            f"the prefix has {len(prefix)} characters, but the model sees {most} at a time; "
            f"give at most its last {most - 1}"
        )
    codes = model.codes_of(prefix, source="the prefix")
    if not prefix and length <= most and temperature == 1:
        drawn = model.sample(count, seed=seed)[:, :length].cpu().numpy().astype(np.int64)
    else:
        holes = np.full(length, -1)
        holes[: len(prefix)] = codes
        drawn = filled(of_any_order(model), holes, count=count, temperature=temperature, seed=seed)
    return ["".join(model.names_of(row)) for row in drawn]


def infill(
    model: SymbolModel,
    text: str,
    *,
    hole: str = "_",
    count: int = 1,
    temperature: float = 1.0,
    seed: Seed = None,
) -> list[str]:
    """A text with its holes filled in, given what stands before and behind them.

    Args:
        model: fitted by ``fit_text``, with the option ``any_order`` > 0.
        text: with one ``hole`` for each character that is wanted.
        hole: what stands for a missing character.
        count: number of texts.
        temperature: as ``generate``.
        seed: of the draws.

    Raises:
        DataError: a character that the model does not have, no hole, or a model of couplings.
        ValueError: a hole of more than one character, or a temperature out of range.

    Example:
        >>> from diffeo.models import ArgmaxAutoregressive
        >>> from diffeo.sequences.text import infill
        >>> model = ArgmaxAutoregressive(8, "abc", dim=8, layers=1, any_order=0.5, seed=0)
        >>> text = infill(model, "ab__ca", seed=0)[0]
        >>> text[:2] + text[4:]
        'abca'
    """
    if len(hole) != 1:
        raise ValueError(f"hole must be one character, got {hole!r}")
    if hole not in text:
        raise DataError(f"the text has no hole: put {hole!r} for each character that is wanted")
    codes = model.codes_of(text, hole=hole)
    drawn = filled(of_any_order(model), codes, count=count, temperature=temperature, seed=seed)
    return ["".join(model.names_of(row)) for row in drawn]


def bits_per_character(
    model: SymbolModel,
    text: str,
    *,
    context: int | None = None,
    num_samples: int = 1,
    seed: Seed = 0,
    source: str = "the text",
) -> Bits:
    """-log2 p a character, each counted once; a model of couplings leaves out an incomplete end.

    Args:
        model: fitted by ``fit_text``.
        text: of any length.
        context, num_samples, seed: as ``bits_per_symbol``.
        source: where the text comes from, for messages.

    Raises:
        DataError: a character that the model does not have; line and column are named.
        As ``bits_per_symbol``.
    """
    data = text_data(text, model.alphabet, source)
    if model.exactness == "bound":
        rows = whole_windows(data.sequences[0], model.event_shape[0])
        if not rows:
            raise DataError(
                f"{source} has {len(text)} characters, but this model of couplings takes "
                f"{model.event_shape[0]} at a time"
            )
        data = SymbolData(rows, data.alphabet, source)
    return bits_per_symbol(model, data, context=context, num_samples=num_samples, seed=seed)
