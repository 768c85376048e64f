"""Types and values of columns as they are typed on a command line."""

from __future__ import annotations

import json
from typing import Any

from diffeo.errors import DataError

__all__ = ["kind_of", "read_given", "read_schema"]

# kinds whose words after a colon are numbers
_SPANS = ("bounded", "circular")


def read_schema(text: str) -> dict[str, Any]:
    """``age=integer,angle=circular:0:360,grade=ordinal:low:high`` as a mapping.

    An object in JSON is taken too, for names with commas.

    Raises:
        DataError: an entry that is no ``name=kind``, or a name twice.
    """
    return {name: kind_of(name, value) for name, value in _pairs(text, "--schema").items()}


def kind_of(name: str, given: Any) -> Any:
    """What ``infer_schema`` takes for a kind: ``circular:0:360`` taken apart.

    Raises:
        DataError: bounds that are no numbers.
    """
    if not isinstance(given, str) or ":" not in given:
        return given
    kind, *rest = (part.strip() for part in given.split(":"))
    if kind not in _SPANS:
        return (kind, rest)
    try:
        return (kind, *map(float, rest))
    except ValueError:
        raise DataError(
            f"schema of column {name!r}: {kind!r} needs two numbers, e.g. {kind}:0:360, "
            f"got {given!r}"
        ) from None


def read_given(text: str) -> dict[str, Any]:
    """``age=40,city=Bern``, or an object in JSON, as a mapping.

    Raises:
        DataError: an entry that is no ``name=value``, or a name twice.
    """
    return _pairs(text, "--given")


def _pairs(text: str, flag: str) -> dict[str, Any]:
    if text.lstrip().startswith("{"):
        return _object(text, flag)
    found: dict[str, Any] = {}
    for entry in text.split(","):
        name, equals, value = (part.strip() for part in entry.partition("="))
        if not (name and equals and value):
            raise DataError(
                f"{flag}: expected name=value between commas, got {entry!r} in {text!r}; write "
                f'names or values with commas in JSON, {flag} \'{{"name": "value"}}\''
            )
        if name in found:
            raise DataError(f"{flag}: {name!r} is given twice")
        found[name] = value
    return found


def _object(text: str, flag: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise DataError(f"{flag}: this does not parse as JSON: {error}") from error
    if not isinstance(found, dict) or not found:
        raise DataError(f"{flag}: expected a JSON object of columns, got {text!r}")
    return found
