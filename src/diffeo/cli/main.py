"""The entry point: arguments in, exit code out, every error on one line."""

from __future__ import annotations

import argparse
import os
import re
import sys
import warnings
from collections.abc import Sequence
from typing import NoReturn

from diffeo.cli import check, compare, demo, detect, fit, impute, info, report, sample, score, tune
from diffeo.errors import DiffeoError
from diffeo.version import __version__

__all__ = ["main"]

_SUBCOMMANDS = (fit, score, sample, detect, report, impute, tune, info, compare, check, demo)


# advice for a call in Python, as a flag
_FLAGS = (
    (r"schema=\{'([^']+)': '(\w+)'\}", r"--schema \1=\2"),
    (r"\b(split|bits)='?(\w+)'?", r"--\1 \2"),
    (r"with \.quantized\(bits\)", "with --reduce-to N"),
    ("leave split out, and divide the images with split_images", "leave --split out"),
)


class _UsageError(Exception):
    """The command line does not parse."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise _UsageError(f"{message}; see '{self.prog} --help'")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="diffeo",
        description="Fit, score, sample and compare densities of tables, images, clouds of points, "
        "music and text. Tables are CSV, Parquet, .npy or .npz files, images arrays (.npz, .npy) "
        "or folders, clouds .ply, .xyz or arrays, music MIDI or .npz, texts .txt; models are "
        ".safetensors files.",
    )
    parser.add_argument("--version", action="version", version=f"diffeo {__version__}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for module in _SUBCOMMANDS:
        module.add_to(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 on success, 1 on a failed check, 2 on an error, 130 on Ctrl-C.

    Args:
        argv: the arguments; by default those of the process.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = _show_warning
        try:
            code = _run(argv)
            sys.stdout.flush()
            return code
        except BrokenPipeError:
            # the reader of our output has seen enough; nothing may complain at exit either
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        except KeyboardInterrupt as error:
            return _fail(": ".join(["interrupted", *map(str, error.args)]), 130)
        except _UsageError as error:
            return _fail(str(error))
        except OSError as error:
            return _fail(_describe(error))
        except (DiffeoError, ValueError) as error:
            return _fail(str(error))


def _run(argv: Sequence[str] | None) -> int:
    try:
        arguments = _parser().parse_args(argv)
    except SystemExit as finished:  # --help, --version
        return int(finished.code or 0)
    code: int = arguments.run(arguments)
    return code


def _fail(message: str, code: int = 2) -> int:
    print(f"diffeo: error: {_one_line(message)}", file=sys.stderr)
    return code


def _describe(error: OSError) -> str:
    if error.strerror is None:
        return str(error)
    return f"{error.filename}: {error.strerror}" if error.filename else error.strerror


def _one_line(text: str) -> str:
    for pattern, flag in _FLAGS:
        text = re.sub(pattern, flag, text)
    return " ".join(text.split())


def _show_warning(message: Warning | str, *_where: object, **_more: object) -> None:
    print(f"diffeo: warning: {_one_line(str(message))}", file=sys.stderr)
