"""Models of pieces of several voices, such as chorales."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from diffeo.density import Seed
from diffeo.errors import DataError
from diffeo.models.sequences import ArgmaxAutoregressive
from diffeo.models.sequences.alphabet import Codes
from diffeo.sequences.music.music_data import MusicData
from diffeo.sequences.symbols.filling import filled, of_any_order
from diffeo.sequences.symbols.fitting import built, fit_windows, judged
from diffeo.sequences.symbols.judging import SymbolModel
from diffeo.sequences.symbols.pitches import (
    REST,
    as_pitches,
    as_symbols,
    codes_of_pitches,
    pitch_alphabet,
    voice_ranges,
)
from diffeo.sequences.symbols.windows import cut
from diffeo.training.data import split_rows

__all__ = ["continued", "fit_voices", "harmonised", "sample_voices", "transposed_windows"]

# steps in a beat and in a bar of chorales at 16ths
_BEAT, _BAR = 4, 16
# of transposed copies of every window
_COPIES = 6


def fit_voices(
    data: MusicData,
    *,
    model: str = "argmax-autoregressive",
    steps: int = 64,
    options: Mapping[str, Any] | None = None,
    seed: int = 0,
    validation: float | MusicData | None = 0.1,
    **fit: Any,
) -> SymbolModel:
    """Fit a model to pieces of several voices, which is trained on transposed copies too.

    A piece is a sequence of symbols, pitches and rests, voice by voice and step by step. With the
    option ``any_order`` > 0 (the default) a model of argmax-autoregressive learns to add voices to
    given ones. The record holds, under "sequences", bits a note of the pieces held out.

    Args:
        data: the pieces; some of them are held out.
        model: "argmax-autoregressive" or "argmax-coupling".
        steps: that the model sees at a time; 64 of 16ths are four bars.
        options: keywords of the named model; they win over the defaults.
        seed: of weights, split, transpositions and training.
        validation: share of the pieces that is held out, or such pieces; None for none.
        **fit: further arguments of ``Model.fit``.

    Raises:
        UnknownModelError: no such model.
        DataError: too few pieces, or an option that the model does not have.
        ShapeError, ValueError: sizes that do not fit.

    Example:
        >>> import numpy as np
        >>> from diffeo.sequences.music import MusicData
        >>> from diffeo.sequences.symbols import fit_voices
        >>> pieces = np.random.default_rng(0).integers(60, 64, (12, 16, 2))
        >>> model = fit_voices(
        ...     MusicData(tuple(pieces), "voices"), steps=4, options={"dim": 8, "layers": 1},
        ...     epochs=1, progress=False,
        ... )
        >>> model.groups, model.alphabet
        (2, ('rest', '60', '61', '62', '63'))
    """
    if data.kind != "voices":
        raise DataError(f"{data.source} holds {data.kind}, and fit_voices takes voices")
    train, held_out = _split(data, validation, seed)
    further = () if held_out is None else held_out.pieces
    alphabet = pitch_alphabet(replace(train, pieces=(*train.pieces, *further), names=None))
    sizes = dict(options or {})
    if model == "argmax-autoregressive":
        sizes = {**_of_voices(data.width, steps), **sizes}
    flow = built(model, steps * data.width, alphabet, sizes, seed)
    judge = None if held_out is None else as_symbols(held_out, alphabet)
    fit_windows(
        flow,
        transposed_windows(train, alphabet, steps, seed=seed),
        None if judge is None else cut(judge.sequences, flow.event_shape[0], flow.event_shape[0]),
        seed=seed,
        source=data.source,
        **fit,
    )
    flow.record["sequences"] = {
        "kind": "voices",
        "source": data.source,
        "voices": data.width,
        "ranges": voice_ranges(train).tolist(),
        "validation": validation if isinstance(validation, float) else None,
        "seed": seed,
        **judged(flow, judge),
    }
    return flow


def transposed_windows(
    data: MusicData, alphabet: tuple[str, ...], steps: int, *, copies: int = _COPIES, seed: int = 0
) -> Codes:
    """Windows of pieces as symbols, a bar apart, each in several keys within the voices' ranges.

    Args:
        data: the pieces.
        alphabet: of pitches.
        steps: of a window.
        copies: keys of each window, drawn among those that no voice leaves its range in.
        seed: of these draws.

    Returns:
        (n, steps * V), -1 behind the end of a piece.
    """
    draw = np.random.default_rng(seed)
    rows = []
    ranges = voice_ranges(data)
    hop = min(_BAR, max(1, steps // 2))
    for piece in data.pieces:
        codes = codes_of_pitches(piece, alphabet, data.source).reshape(-1)
        for window in cut([codes], steps * data.width, hop * data.width):
            shifts = _shifts(window, ranges, alphabet, data.width)
            for shift in draw.permutation(shifts)[:copies]:
                rows.append(np.where(window > 0, window + shift, window))
    return np.stack(rows)


def _shifts(window: Codes, ranges: Codes, alphabet: tuple[str, ...], voices: int) -> Codes:
    """Semitones by which all voices of a window can move within their ranges."""
    low, high = -6, 5
    lowest = int(alphabet[1]) - 1
    for voice, (bottom, top) in enumerate(ranges):
        line = window[voice::voices]
        line = line[line > 0] + lowest
        if len(line):
            low, high = max(low, bottom - line.min()), min(high, top - line.max())
    return np.arange(min(low, 0), max(high, 0) + 1)


def sample_voices(
    model: SymbolModel,
    count: int = 1,
    *,
    steps: int | None = None,
    temperature: float = 1.0,
    seed: Seed = None,
) -> Codes:
    """New pieces.

    Args:
        model: fitted by ``fit_voices``.
        count: number of pieces.
        steps: of each; by default those that the model sees at a time.
        temperature: below 1, probable notes become more so.
        seed: of the draws.

    Returns:
        (count, steps, V) MIDI pitches, -1 for rests.

    Raises:
        DataError: a model that is not of voices; or of couplings, more steps or a temperature.
        ValueError: a temperature that is not a finite number >= 0.
    """
    voices = voices_of(model)
    longest = model.event_shape[0] // voices
    steps = longest if steps is None else steps
    if temperature == 1 and steps <= longest:
        drawn = model.sample(count, seed=seed).cpu().numpy().astype(np.int64)
        return as_pitches(drawn[:, : steps * voices], model.alphabet, voices)
    start = np.empty((0, voices), dtype=np.int64)
    return continued(model, start, steps, count=count, temperature=temperature, seed=seed)


def continued(
    model: SymbolModel,
    start: Codes,
    steps: int,
    *,
    count: int = 1,
    temperature: float = 1.0,
    seed: Seed = None,
) -> Codes:
    """Pieces that begin in a given way.

    Args:
        model: of argmax-autoregressive, fitted by ``fit_voices``.
        start: (given steps, V) MIDI pitches, -1 for rests.
        steps: of each piece, with those given.
        count: number of pieces.
        temperature: as ``sample_voices``.
        seed: of the draws.

    Returns:
        (count, steps, V).

    Raises:
        DataError: another number of voices, a pitch that the model does not know, or a model that
            cannot continue.
        ValueError: fewer steps than are given.
    """
    flow = of_any_order(model)
    voices = voices_of(flow)
    given = _checked(np.asarray(start), voices)
    if steps < max(1, len(given)):
        raise ValueError(f"steps must be at least {max(1, len(given))}, got {steps}")
    holes = np.full((steps, voices), -1)
    holes[: len(given)] = codes_of_pitches(given, flow.alphabet, "the start")
    drawn = filled(flow, holes.reshape(-1), count=count, temperature=temperature, seed=seed)
    return as_pitches(drawn, flow.alphabet, voices)


def harmonised(
    model: SymbolModel,
    melody: Codes,
    *,
    voice: int = 0,
    count: int = 1,
    temperature: float = 1.0,
    seed: Seed = None,
) -> Codes:
    """Pieces in which one voice is given.

    Args:
        model: of argmax-autoregressive, fitted by ``fit_voices``.
        melody: (steps,) MIDI pitches of that voice, -1 for rests.
        voice: which one; 0 is the soprano.
        count: number of pieces.
        temperature: as ``sample_voices``.
        seed: of the draws.

    Returns:
        (count, steps, V), with the melody as its given voice.

    Raises:
        DataError: a voice that the model does not have, a pitch that it does not know, or a model
            that cannot be given a part.
    """
    flow = of_any_order(model)
    voices = voices_of(flow)
    line = np.asarray(melody)
    if line.ndim != 1 or not len(line):
        raise DataError(f"a melody has the shape (steps,), got {line.shape}")
    if not 0 <= voice < voices:
        raise DataError(f"voice must be from 0 to {voices - 1}, got {voice!r}")
    holes = np.full((len(line), voices), -1)
    holes[:, voice] = codes_of_pitches(line[:, None], flow.alphabet, "the melody")[:, 0]
    drawn = filled(flow, holes.reshape(-1), count=count, temperature=temperature, seed=seed)
    return as_pitches(drawn, flow.alphabet, voices)


def voices_of(model: SymbolModel) -> int:
    """The number of voices of a model that ``fit_voices`` fitted.

    Raises:
        DataError: it is of something else.
    """
    if model.alphabet[0] != REST:
        raise DataError("this model is not of voices: its symbols are no pitches")
    if isinstance(model, ArgmaxAutoregressive):
        return model.groups
    return int(model.record["sequences"]["voices"])


def _of_voices(voices: int, steps: int) -> dict[str, Any]:
    """Options that voices need."""
    beat, bar = _BEAT * voices, _BAR * voices
    near = [*range(1, 3 * voices), beat, bar]
    cycles = [voices, beat, bar]
    return {
        "groups": voices,
        "periods": [period for period in cycles if period < steps * voices],
        "near": sorted([-offset for offset in near] + near),
        "any_order": 0.5,
        "dropout": 0.1,
    }


def _split(
    data: MusicData, validation: float | MusicData | None, seed: int
) -> tuple[MusicData, MusicData | None]:
    if isinstance(validation, MusicData):
        return data, validation
    if not validation:
        return data, None
    first, second = split_rows(len(data), validation, seed)
    return data.subset(first.numpy()), data.subset(second.numpy())


def _checked(start: Codes, voices: int) -> Codes:
    if start.ndim != 2 or start.shape[1] != voices:
        raise DataError(f"the start has the shape (steps, {voices}), got {start.shape}")
    return start
