"""How probable a model finds every piece of music."""

from __future__ import annotations

import argparse
from typing import Any

__all__ = ["score_music"]


def score_music(model: Any, arguments: argparse.Namespace) -> None:
    """Write one line a piece, and print the mean.

    Raises:
        DataError: pieces that are not the model's.
    """
    import numpy as np

    from diffeo.sequences import LatentSequenceFlow
    from diffeo.sequences.music import load_music, step_of
    from diffeo.tabular import table_writer

    rolls = isinstance(model, LatentSequenceFlow)
    kind, step = ("rolls", step_of(model)) if rolls else ("voices", None)
    data = load_music(arguments.data, split=arguments.split, kind=kind, step=step)  # type: ignore[arg-type]
    draws = {"num_samples": arguments.num_samples} if arguments.num_samples else {}
    log_prob = (_of_rolls if rolls else _of_voices)(model, data, {**draws, "seed": arguments.seed})
    with table_writer(arguments.output) as write:
        write(
            {
                "piece": np.array([data.called(i) for i in range(len(data))]),
                "steps": data.lengths,
                "nats_per_step": -log_prob / data.lengths,
                "log_prob": log_prob,
            }
        )
    at_most = "at most " if model.exactness == "bound" else ""
    mean = -log_prob.sum() / data.lengths.sum()
    print(f"{at_most}{mean:.4f} nats a step, {len(data):,} pieces")


def _of_rolls(model: Any, data: Any, options: dict[str, Any]) -> Any:
    from diffeo.sequences.music import nats_per_step

    return -nats_per_step(model, data, **options) * data.lengths


def _of_voices(model: Any, data: Any, options: dict[str, Any]) -> Any:
    from diffeo.sequences.symbols import log_probs
    from diffeo.sequences.symbols.pitches import as_symbols

    return log_probs(model, as_symbols(data, model.alphabet), **options)
