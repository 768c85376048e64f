"""Learn handwritten digits of 8 x 8 pixels, draw new ones, and have a classifier read them.

Leaves in examples/output/: the model, and a grid of drawn digits.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

import diffeo
from diffeo.images import ImageData, ImageModel, image_grid, load_images, split_images, write_png
from diffeo.univariates import RationalQuadraticSpline

HERE = Path(__file__).resolve().parent
SEED = 0
BITS = 4
# a classifier that is as sure is said to be confident
CONFIDENT = 0.8


class Verdict(NamedTuple):
    """What a classifier says of drawn digits; shares."""

    accuracy: float
    confident: float
    right: float


def digits() -> tuple[ImageData, ImageData]:
    """Digits to train on, and a tenth that is held out."""
    found = load_digits()
    # 17 levels of ink, of which the last two become one
    data = load_images(found.images.clip(max=15), bits=BITS, labels=found.target)
    return split_images(data, 0.1, seed=SEED)


def train(data: ImageData, epochs: int, seed: int) -> ImageModel:
    """A Glow of splines, given the class."""
    flow = diffeo.Glow(
        data.image_shape,
        scales=2,
        steps=4,
        hidden=48,
        univariate=RationalQuadraticSpline(8),
        context=10,
        seed=seed,
    )
    model = ImageModel(flow, bits=BITS, classes="0123456789")
    context = model.context_of(data.labels)
    options = {"epochs": epochs, "batch_size": 64, "lr": 5e-3, "seed": seed}
    return model.fit(data.pixels, context=context, **options)


def judge(model: ImageModel, real: ImageData, unseen: ImageData, seed: int) -> Verdict:
    """How a classifier that was trained on real digits reads 100 drawn ones of each class."""

    def rows(pixels: np.ndarray) -> np.ndarray:
        return pixels.reshape(len(pixels), -1) / 2**BITS

    reader = MLPClassifier((128,), max_iter=1000, random_state=SEED)
    reader.fit(rows(real.pixels), real.labels)
    drawn = model.draw(100, model.context_of(range(10)), seed=seed)
    belief = reader.predict_proba(rows(drawn.flatten(0, 1).numpy()))
    return Verdict(
        reader.score(rows(unseen.pixels), unseen.labels),
        float((belief.max(1) > CONFIDENT).mean()),
        float((belief.argmax(1) == np.tile(np.arange(10), 100)).mean()),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--output", type=Path, default=HERE / "output")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)

    start = time.monotonic()
    real, unseen = digits()
    model = train(real, arguments.epochs, SEED)
    model.save(arguments.output / "digits.safetensors")
    bits = model.bits_per_dim(
        torch.from_numpy(unseen.pixels).float(), model.context_of(unseen.labels), seed=SEED
    )
    print(f"{len(real)} digits learned in {time.monotonic() - start:.0f} s")
    print(f"{bits.mean():.2f} bits per dimension of {len(unseen)} digits held out")

    verdict = judge(model, real, unseen, SEED)
    print(f"a classifier that reads {verdict.accuracy:.1%} of the real digits held out")
    print(f"  is confident (above {CONFIDENT}) of {verdict.confident:.1%} of the drawn digits")
    print(f"  and reads {verdict.right:.1%} as the class that they were drawn for")

    drawn = model.draw(10, model.context_of(range(10)), seed=SEED).flatten(0, 1)
    path = arguments.output / "digits.png"
    write_png(path, image_grid(drawn.numpy(), columns=10, bits=BITS))
    print(f"drawn: {path}")


if __name__ == "__main__":
    main()
