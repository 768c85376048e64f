"""Checks of where a result shall go, before any work is done for it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection, Iterable
from pathlib import Path

from diffeo.errors import DataError

__all__ = ["check_output"]


def check_output(path: str, suffixes: Collection[str], inputs: Iterable[str] = ()) -> None:
    """Raise unless a file can be written at ``path`` that is none of the inputs.

    Args:
        path: of the file, or of a folder to be made.
        suffixes: it may have; "" for a folder.
        inputs: paths of the inputs.

    Raises:
        DataError: another suffix, or the file is an input.
        OSError: no such folder, or one that cannot be written to.
    """
    target = Path(path)
    if target.suffix.lower() not in suffixes:
        named = " or ".join(suffix for suffix in suffixes if suffix)
        folder = ", or have no suffix, for a folder" * ("" in suffixes)
        raise DataError(f"-o {path}: the name must end in {named}{folder}")
    for given in inputs:
        if target.exists() and os.path.exists(given) and target.samefile(given):
            raise DataError(f"-o {path} is an input as well; choose another name")
    if target.is_dir():
        raise OSError(f"cannot write {path}: it is a folder")
    if not target.parent.is_dir():
        raise OSError(f"cannot write {path}: the folder {target.parent} does not exist; make it")
    try:
        with tempfile.TemporaryFile(dir=target.parent):
            pass
    except OSError as error:
        raise OSError(
            f"cannot write to the folder {target.parent}: {error.strerror}; choose another one"
        ) from error
