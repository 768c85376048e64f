"""The kinds of data, and which one a path, a name or a model means."""

from __future__ import annotations

import argparse
import difflib
from typing import TYPE_CHECKING

from diffeo.cli.images.kind import Images
from diffeo.cli.kind import Kind
from diffeo.cli.music.kind import Music
from diffeo.cli.points.kind import Points
from diffeo.cli.tables.kind import Tables
from diffeo.cli.text.kind import Text

if TYPE_CHECKING:
    from diffeo.model import Model

__all__ = ["AUTO", "add_flags", "check_name", "kind_of_fit", "kind_of_model", "refuse_others"]

AUTO = "auto"
# whoever comes first is asked first; what no other kind holds is a table
KINDS: tuple[Kind, ...] = (Text(), Music(), Points(), Images(), Tables())


def add_flags(command: str, parser: argparse.ArgumentParser) -> None:
    """The flags of a subcommand that are of one kind of data."""
    for kind in KINDS[::-1]:
        kind.add_flags(command, parser)


def check_name(name: str) -> str:
    """The name of a model in lower case.

    Raises:
        UnknownModelError: naming the nearest names.
    """
    from diffeo.errors import UnknownModelError

    known = [AUTO, *(name for kind in KINDS[::-1] for name in kind.model_names())]
    if name.lower() not in known:
        near = difflib.get_close_matches(name.lower(), known) or known
        raise UnknownModelError(f"no model is called {name!r}; did you mean {' or '.join(near)}?")
    return name.lower()


def kind_of_fit(name: str, path: str) -> Kind:
    """The kind of data of a path that a model of a name is to be fitted to.

    Raises:
        DataError: a model of one kind, and data of another.
    """
    from diffeo.errors import DataError

    held = next(kind for kind in KINDS if kind.holds(path))
    if name == AUTO or name in held.model_names():
        return held
    named = next(kind for kind in KINDS if name in kind.model_names())
    # whatever a table may be is told by whoever reads it
    if held is KINDS[-1]:
        return named
    raise DataError(
        f"{path} holds {held.name}, and the model {name!r} is of {named.name}; models of "
        f"{held.name} are {', '.join(held.model_names())}"
    )


def kind_of_model(model: Model) -> Kind:
    """The kind of data that a model is of."""
    return next(kind for kind in KINDS if kind.owns(model))


def refuse_others(kind: Kind, command: str, arguments: argparse.Namespace) -> None:
    """Raise if a flag was given that is not of this kind of data.

    Raises:
        DataError: the first that was.
    """
    from diffeo.errors import DataError

    own = kind.flags.get(command, ())
    for flag in dict.fromkeys(f for other in KINDS for f in other.flags.get(command, ())):
        if flag in own or getattr(arguments, flag, None) in (None, False):
            continue
        names = [other.name for other in KINDS if flag in other.flags.get(command, ())]
        raise DataError(
            f"--{_spelled(flag)} is for {' or '.join(names)}, and here it is about {kind.name}"
        )


def _spelled(flag: str) -> str:
    # "class" is no name for an attribute
    return {"label": "class"}.get(flag, flag).replace("_", "-")
