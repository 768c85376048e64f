"""Options of a fit: a configuration file, and the flags that win over it."""

from __future__ import annotations

import difflib
import inspect
import itertools
import json
import math
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from diffeo.errors import DataError, import_extra

__all__ = [
    "check_keys",
    "checked_fit_options",
    "checked_model_options",
    "read_config",
    "supports_of",
]

# arguments of Model.fit that a file can give, with their types; a whole number does for a float
_FIT_TYPES: dict[str, tuple[type, ...]] = {
    "validation": (float,),
    "epochs": (int,),
    "patience": (int,),
    "batch_size": (int,),
    "lr": (float,),
    "seed": (int,),
    "device": (str,),
    "schedule": (str,),
    "clip": (float,),
    "ema": (float,),
    "standardize": (bool,),
    "checkpoint": (str,),
    "max_time": (float,),
    "compile": (bool, str),
    "progress": (bool,),
}
_OPTIONAL = frozenset({"validation", "patience", "device", "clip", "ema", "checkpoint", "max_time"})
# the command gives these itself, or a file cannot describe them
_NOT_OF_A_FILE = frozenset({"features", "context", "base", "schema"})


def read_config(path: str) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The tables ``model``, ``fit`` and ``schema`` of a TOML or JSON file.

    Raises:
        DataError: another suffix, a file that does not parse, or other tables in it.
        OSError: the file cannot be read.
    """
    text = Path(path).read_bytes()
    try:
        content = _parser(path)(text.decode())
    except ValueError as error:
        raise DataError(f"{path} does not parse: {error}") from error
    tables = content if isinstance(content, dict) else {}
    check_keys(path, tables, ("model", "fit", "schema"))
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise DataError(f"{path}: {name!r} must be a table of options, got {table!r}")
    return tables.get("model", {}), tables.get("fit", {}), tables.get("schema", {})


def _parser(path: str) -> Callable[[str], Any]:
    suffix = Path(path).suffix.lower()
    if suffix == ".json":
        return json.loads
    if suffix == ".toml":
        name = "tomllib" if sys.version_info >= (3, 11) else "tomli"
        loads: Callable[[str], Any] = import_extra(name, "cli").loads
        return loads
    raise DataError(f"{path}: a configuration is a .toml or a .json file")


def check_keys(where: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Raise at an option that is none, naming near ones.

    Raises:
        DataError: at the first.
    """
    known = sorted(known)
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(key, known) or known
            raise DataError(f"{where}: unknown option {key!r}; did you mean {' or '.join(near)}?")


def checked_fit_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of ``Model.fit``; "none" stands for None, which TOML lacks.

    Raises:
        DataError: an unknown option, or a value of the wrong type.
    """
    check_keys("fit", given, _FIT_TYPES)
    options = {name: None if value == "none" else value for name, value in given.items()}
    for name, value in options.items():
        if not _fits(name, value):
            words = [t.__name__ for t in _FIT_TYPES[name]] + ["none"] * (name in _OPTIONAL)
            raise DataError(f"fit: {name} must be of type {' or '.join(words)}, got {value!r}")
    return options


def _fits(name: str, value: Any) -> bool:
    kinds = _FIT_TYPES[name]
    if value is None:
        return name in _OPTIONAL
    if isinstance(value, bool):
        return bool in kinds
    return isinstance(value, kinds) or (float in kinds and isinstance(value, int))


def checked_model_options(
    build: Callable[..., Any], given: Mapping[str, Any], features: list[str]
) -> dict[str, Any]:
    """Arguments of a model's constructor, with supports by column made into a list.

    Raises:
        DataError: an unknown option, or a support that is none.
    """
    known = set(inspect.signature(build).parameters) - _NOT_OF_A_FILE
    check_keys("model", given, known)
    options = dict(given)
    if "supports" in options:
        options["supports"] = supports_of(options["supports"], features)
    return options


def supports_of(given: Any, features: list[str]) -> list[Any]:
    """The supports of all features, from words or [low, high] by column name.

    Neighbours with one word for vectors, such as "simplex", are one vector.

    Raises:
        DataError: an unknown column, or a support that is none.
    """
    if not isinstance(given, dict):
        raise DataError(
            f"model: supports must be a table by column, such as "
            f'{{{features[0]} = "positive"}}, got {given!r}'
        )
    check_keys("model.supports", given, features)
    found: list[Any] = []
    for value, run in itertools.groupby(features, lambda name: given.get(name, "real")):
        found += _supports(list(run), value)
    return found


def _supports(names: list[str], given: Any) -> list[Any]:
    """The supports of neighbours of which the file says the same."""
    from diffeo import supports

    scalars: dict[str, Callable[[], supports.Support]]
    scalars = {"real": supports.real, "positive": supports.positive, "circle": supports.circle}
    vectors = {"ordered", "positive_ordered", "simplex", "sphere"}
    if isinstance(given, str) and given in scalars:
        return [scalars[given]() for _ in names]
    if isinstance(given, str) and given in vectors:
        return [getattr(supports, given)(len(names))]
    if given == "corr_cholesky":
        return [supports.corr_cholesky(_root(names))]
    numbers = isinstance(given, list) and all(type(v) in (int, float) for v in given)
    if numbers and len(given) == 2:
        return [supports.interval(*given) for _ in names]
    raise DataError(
        f'model.supports: {names[0]} must be "real", "positive" or [low, high], or else '
        f"{', '.join(map(repr, sorted({'circle', 'corr_cholesky', *vectors})))}, got {given!r}"
    )


def _root(names: list[str]) -> int:
    size = math.isqrt(len(names))
    if size * size != len(names):
        raise DataError(
            f"model.supports: a matrix in {len(names)} neighbouring columns "
            f"({names[0]} to {names[-1]}) is not square"
        )
    return size
