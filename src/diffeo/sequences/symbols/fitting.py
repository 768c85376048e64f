"""From sequences of symbols to a fitted model of them, in one call."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from diffeo.errors import DataError
from diffeo.models.sequences import ArgmaxCoupling
from diffeo.models.sequences.alphabet import Codes
from diffeo.sequences.symbols.data import SymbolData, as_rows
from diffeo.sequences.symbols.defaults import fit_options, model_options, symbol_model_class
from diffeo.sequences.symbols.judging import SymbolModel, bits_per_symbol, whole_windows
from diffeo.sequences.symbols.windows import cut
from diffeo.training.data import split_rows

__all__ = ["built", "fit_symbols", "fit_windows", "judged"]

_NOT_OPTIONS = {"self", "length", "symbols", "seed", "context"}


def fit_symbols(
    data: SymbolData,
    *,
    model: str = "argmax-autoregressive",
    length: int | None = None,
    options: Mapping[str, Any] | None = None,
    seed: int = 0,
    validation: float | None = 0.1,
    **fit: Any,
) -> SymbolModel:
    """Fit a model to sequences of symbols.

    Sequences longer than ``length`` are cut into windows that overlap by half. The record of the
    model holds, under "sequences", where they come from, how they were split, and bits a symbol of
    those held out.

    Args:
        data: the sequences; a part of them is held out.
        model: "argmax-autoregressive" or "argmax-coupling".
        length: positions of the model; by default those of the longest sequence, at most 256.
        options: keywords of the named model; they win over the defaults.
        seed: of weights, split and training.
        validation: share of the sequences that is held out; None for none.
        **fit: further arguments of ``Model.fit``.

    Raises:
        UnknownModelError: no such model.
        DataError: too few sequences, an option that the model does not have, or sequences of
            unequal lengths for couplings.
        ShapeError, ValueError: sizes that do not fit.

    Example:
        >>> import numpy as np
        >>> from diffeo.sequences import SymbolData, fit_symbols
        >>> rows = np.random.default_rng(0).integers(0, 3, (40, 6))
        >>> model = fit_symbols(
        ...     SymbolData(rows, "abc"), options={"dim": 8, "layers": 1}, epochs=1, progress=False
        ... )
        >>> model.event_shape, model.alphabet
        ((6,), ('a', 'b', 'c'))
    """
    size = min(int(data.lengths.max()), 256) if length is None else length
    flow = built(model, size, data.alphabet, options, seed)
    train, held_out = data, None
    if validation:
        first, second = split_rows(len(data), validation, seed)
        train, held_out = data.subset(first.numpy()), data.subset(second.numpy())
    hop = max(1, size // 2)
    windows = cut(train.sequences, size, hop)
    fit_windows(
        flow,
        windows,
        None if held_out is None else cut(held_out.sequences, size, hop),
        seed=seed,
        source=data.source,
        **fit,
    )
    flow.record["sequences"] = {
        "kind": "symbols",
        "source": data.source,
        "validation": validation,
        "seed": seed,
        **judged(flow, held_out),
    }
    return flow


def built(
    name: str,
    length: int,
    alphabet: tuple[str, ...],
    options: Mapping[str, Any] | None,
    seed: int,
) -> SymbolModel:
    """The model of a name, with defaults for what ``options`` does not give.

    Raises:
        UnknownModelError: no such model.
        DataError: an option that it does not have.
    """
    build = symbol_model_class(name)
    known = set(inspect.signature(build).parameters) - _NOT_OPTIONS
    foreign = [key for key in options or {} if key not in known]
    if foreign:
        raise DataError(
            f"the model {name!r} has no option {foreign[0]!r}; it has {', '.join(sorted(known))}"
        )
    sizes = {**model_options(name), **(options or {})}
    found: SymbolModel = build(length, alphabet, seed=seed, **sizes)
    return found


def fit_windows(
    flow: SymbolModel,
    windows: Codes,
    held_out: Codes | None,
    *,
    seed: int,
    source: str,
    **fit: Any,
) -> None:
    """Fit a model to windows (n, T), -1 behind the end of those that are shorter.

    Raises:
        DataError: none, or for couplings none that are whole.
    """
    if isinstance(flow, ArgmaxCoupling):
        windows = _whole(windows, source)
        held_out = None if held_out is None else _whole(held_out, source)
    length = flow.event_shape[0]
    flow.fit(
        as_rows(list(windows), length),
        validation=None if held_out is None else as_rows(list(held_out), length),
        seed=seed,
        **{**fit_options(len(windows), length), **fit},
    )


def _whole(windows: Codes, source: str) -> Codes:
    whole = windows[(windows >= 0).all(1)]
    if not len(whole):
        raise DataError(
            f"{source}: a model of couplings takes whole windows of {windows.shape[1]} symbols, "
            f"but there is none; choose a smaller length="
        )
    return whole


def judged(flow: SymbolModel, held_out: SymbolData | None) -> dict[str, Any]:
    """Bits a symbol of held-out sequences, as the record keeps them."""
    if held_out is None:
        return {}
    if isinstance(flow, ArgmaxCoupling):
        size = flow.event_shape[0]
        rows = [window for row in held_out.sequences for window in whole_windows(row, size)]
        held_out = SymbolData(rows, held_out.alphabet, held_out.source)
    bits = bits_per_symbol(flow, held_out)
    error = None if np.isnan(bits.error) else bits.error
    return {"held_out_bits": bits.mean, "held_out_error": error}
