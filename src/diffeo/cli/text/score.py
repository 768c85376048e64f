"""How probable a model finds a text."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

__all__ = ["score_text"]


def score_text(model: Any, arguments: argparse.Namespace) -> None:
    """Write the bits a character of a text in one line, and print them.

    Raises:
        DataError: a file that is no text, or a character that the model does not have.
    """
    import numpy as np

    from diffeo.sequences import load_text
    from diffeo.sequences.text import bits_per_character
    from diffeo.tabular import table_writer

    text = load_text(Path(arguments.data))
    draws = {"num_samples": arguments.num_samples} if arguments.num_samples else {}
    found = bits_per_character(model, text, seed=arguments.seed, source=arguments.data, **draws)
    with table_writer(arguments.output) as write:
        write(
            {
                "text": np.array([arguments.data]),
                "characters": np.array([found.symbols]),
                "bits_per_character": np.array([found.mean]),
                "error": np.array([found.error]),
            }
        )
    at_most = "at most " if model.exactness == "bound" else ""
    print(
        f"{at_most}{found.mean:.4f} ± {found.error:.4f} bits a character, "
        f"{found.symbols:,} characters"
    )
