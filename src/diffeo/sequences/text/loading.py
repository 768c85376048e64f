"""Text from files, plain or compressed."""

from __future__ import annotations

import gzip
import lzma
import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from diffeo.errors import DataError
from diffeo.models.sequences.alphabet import encoded
from diffeo.sequences.symbols import SymbolData

__all__ = ["SUFFIXES", "load_text", "text_data"]

# of names of files of text
SUFFIXES = (".txt", ".gz", ".xz")
_BROKEN = (EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error)


def load_text(path: str | os.PathLike[str]) -> str:
    """The text of a file in UTF-8, which may be compressed by gzip (.gz) or xz (.xz).

    Raises:
        DataError: a damaged file, an empty one, or one that is no UTF-8; the byte is named.
        OSError: a file that cannot be read.
    """
    path = Path(path)
    opened: Any = {".gz": gzip.open, ".xz": lzma.open}.get(path.suffix.lower(), open)
    try:
        with opened(path, "rb") as file:
            content = file.read()
    except _BROKEN as error:
        raise DataError(f"{path} is damaged, or no {path.suffix} file ({error})") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DataError(
            f"{path} is no text in UTF-8: byte {error.start}, in line {line}, is "
            f"0x{content[error.start]:02x}; convert it"
        ) from error
    if not text:
        raise DataError(f"{path} is empty")
    return text


def text_data(
    text: str, alphabet: Sequence[str] | None = None, source: str = "the text"
) -> SymbolData:
    """A text as one sequence of symbols.

    Args:
        text: the text.
        alphabet: the characters; by default those that occur, in order.
        source: where it comes from, for messages.

    Raises:
        DataError: an empty text, or a character outside the alphabet; line and column are named.

    Example:
        >>> from diffeo.sequences.text import text_data
        >>> text_data("abba").sequences[0]
        array([0, 1, 1, 0])
    """
    if not text:
        raise DataError(f"{source} is empty")
    names = tuple(sorted(set(text)) if alphabet is None else alphabet)
    if len(names) < 2:
        raise DataError(f"{source} holds nothing but {names[0]!r}: there is nothing to learn")
    return SymbolData([encoded(text, names, source=source)], names, source)
