"""Arguments that several subcommands share, and how their text is read."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from diffeo.model import Model

__all__ = [
    "Subparsers",
    "add_draws",
    "add_output",
    "add_reading",
    "add_schema",
    "add_subcommand",
    "add_unconditional",
    "check_draws",
    "count",
    "names",
    "seed",
]

Subparsers = Any  # argparse has no public name for what add_subparsers gives


def add_subcommand(
    subparsers: Subparsers, name: str, summary: str, run: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    """A parser for ``diffeo name``, which calls ``run``."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        name, help=summary, description=summary[0].upper() + summary[1:] + "."
    )
    parser.set_defaults(run=run)
    return parser


def add_output(parser: argparse.ArgumentParser, text: str) -> None:
    """The argument -o."""
    parser.add_argument("-o", "--output", required=True, metavar="OUT", help=text)


def add_schema(parser: Any) -> None:
    """The argument --schema."""
    parser.add_argument(
        "--schema",
        metavar="A=KIND,..",
        help="types of columns of the model 'table' that are known better than can be seen: real, "
        "positive, integer, categorical, boolean, datetime, bounded:0:1, circular:0:360, "
        "ordinal:low:high, 'left out'",
    )


def add_draws(parser: argparse.ArgumentParser) -> None:
    """The arguments of densities of which only a bound is known."""
    parser.add_argument(
        "--num-samples",
        type=count,
        metavar="K",
        help="for a model whose log_prob is a bound: draws a row, which tighten it (1)",
    )
    parser.add_argument(
        "--seed", type=seed, default=0, metavar="N", help="of the draws of a bound (0)"
    )


def add_reading(parser: argparse.ArgumentParser) -> None:
    """The arguments of data that come in parts, with labels."""
    group = parser.add_argument_group("parts and labels", "of data that are no table")
    group.add_argument("--split", metavar="NAME", help="train, validation or test, if it has them")
    group.add_argument(
        "--labels",
        metavar="KEY_OR_FILE",
        help="labels: an array of the .npz file by its name (y), a .npy file, or a text file with "
        "one label a line",
    )


def add_unconditional(parser: argparse.ArgumentParser) -> None:
    """The argument --unconditional."""
    parser.add_argument(
        "--unconditional",
        action="store_true",
        help="pass over the labels; with them, the model is conditional on the class",
    )


def check_draws(model: Model, count: int | None) -> None:
    """Raise at a number of draws for a model that draws nothing.

    Raises:
        ValueError: its ``log_prob`` is no bound.
    """
    if count is not None and model.exactness != "bound":
        raise ValueError(
            f"--num-samples is for models whose log_prob is a bound; that of this "
            f"{type(model).__name__} is {model.exactness}; leave it out"
        )


def names(text: str) -> list[str]:
    """Column names between commas.

    Raises:
        argparse.ArgumentTypeError: an empty name, or one name twice.
    """
    found = [name.strip() for name in text.split(",")]
    if not all(found) or len(set(found)) < len(found):
        raise argparse.ArgumentTypeError(f"expected different names between commas, got {text!r}")
    return found


def _whole(text: str, low: int, high: int, expected: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = low - 1
    if not low <= value <= high:
        raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}")
    return value


def count(text: str) -> int:
    """A whole number of at least 1."""
    return _whole(text, 1, 2**62, "a whole number >= 1")


def seed(text: str) -> int:
    """A seed of torch's generators."""
    return _whole(text, 0, 2**63 - 1, "a whole number from 0 to 2^63 - 1")
