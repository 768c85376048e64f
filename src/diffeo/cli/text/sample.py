"""New texts from a model."""

from __future__ import annotations

import argparse
from typing import Any

__all__ = ["sample_text"]

# between texts in one file
_RULE = "\n" + "-" * 60 + "\n"


def sample_text(model: Any, arguments: argparse.Namespace) -> int:
    """Draw texts, or fill the holes of one, and write them; how many.

    Raises:
        DataError: a character that the model does not have, or a prefix that is too long.
        ValueError: lengths or a temperature that cannot be.
    """
    from diffeo.cli.output import check_output
    from diffeo.errors import DataError
    from diffeo.files import write_atomically
    from diffeo.sequences import generate, infill

    check_output(arguments.output, [".txt"], [arguments.model])
    drawn: dict[str, Any] = {
        "count": arguments.n,
        "temperature": 1.0 if arguments.temperature is None else arguments.temperature,
        "seed": arguments.seed,
    }
    if arguments.fill is None:
        texts = generate(model, arguments.prefix or "", length=arguments.length, **drawn)
    elif arguments.prefix or arguments.length:
        raise DataError("--fill names the whole text; leave out --prefix and --length")
    else:
        texts = infill(model, arguments.fill, **drawn)
    write_atomically(arguments.output, (_RULE.join(texts) + "\n").encode())
    return len(texts)
