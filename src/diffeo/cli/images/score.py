"""Bits per dimension of every image."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from diffeo.images import ImageModel

__all__ = ["score_images"]


def score_images(model: ImageModel, arguments: argparse.Namespace) -> None:
    """Write one line an image, and print the mean.

    Raises:
        DataError: images that are not the model's.
    """
    import numpy as np

    from diffeo.cli.images.arguments import again
    from diffeo.cli.images.summary import bits_in_words
    from diffeo.estimates import mean_and_error
    from diffeo.images.bits import bits_per_dim
    from diffeo.images.judging import log_probs
    from diffeo.images.matching import for_model
    from diffeo.tabular import table_writer

    data = for_model(model, again(model, arguments, arguments.data))
    draws = arguments.num_samples or 1
    log_prob = log_probs(model, data, num_samples=draws, seed=arguments.seed)
    bits = bits_per_dim(log_prob, math.prod(model.event_shape))
    labels = data.labels if model.classes else None
    names = [] if labels is None else [model.classes[k] for k in labels]
    with table_writer(arguments.output) as write:
        write(
            {
                "image": np.arange(len(data)),
                **({"class": np.array(names)} if names else {}),
                "bits_per_dim": bits,
                "log_prob": log_prob,
            }
        )
    given = ", each under all classes together" if model.classes and not names else ""
    print(
        f"at most {bits_in_words(*mean_and_error(bits))}, {len(data):,} images{given} "
        f"({draws} draw{'s' * (draws > 1)} of the noise an image)"
    )
