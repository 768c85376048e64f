"""Bits per dimension of Frey faces and Omniglot by the default models of `fit_images`.

python benchmarks/image_sets.py    # about half an hour of one core; finished runs are kept
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import torch
from data import data_folder
from runs import Runs
from table import write_table

from diffeo.images import fit_images, load_images, split_images

SEED = 0
SETS = {"Frey faces": "freyfaces", "Omniglot": "omniglot_small_28"}
MODELS = ("glow", "tarflow")
BASELINE = "independent pixels"
TEST = 0.1
# the most, besides what defaults ask for
MINUTES = 15.0

Array = np.ndarray[Any, Any]


def load(name: str) -> tuple[Any, Any]:
    """Images to fit to, and a tenth of all, drawn at random, to test."""
    with np.load(data_folder("images") / f"{SETS[name]}.npz", allow_pickle=False) as file:
        return split_images(load_images(file["x"], bits=8), TEST, SEED)


def independent_pixels(train: Array, test: Array) -> Array:
    """Bits per dimension of every image, were pixels independent: histograms, one count added."""
    pixels = train.reshape(len(train), -1).astype(np.int64)
    counts = np.stack([np.bincount(column, minlength=256) for column in pixels.T]) + 1
    bits = -np.log2(counts / counts.sum(1, keepdims=True))
    rows = test.reshape(len(test), -1).astype(np.int64)
    return bits[np.arange(rows.shape[1]), rows].mean(1)


def judged(name: str, model: str) -> dict[str, Any]:
    """Bits per dimension of the test images, and what they cost."""
    train, test = load(name)
    start = time.process_time()
    if model == BASELINE:
        bits = independent_pixels(train.pixels, test.pixels)
    else:
        fitted = fit_images(train, model=model, seed=SEED, max_time=60 * MINUTES, progress=False)
        with torch.no_grad():
            bits = fitted.bits_per_dim(torch.from_numpy(test.pixels).float(), seed=SEED).numpy()
    return {
        "bits": float(bits.mean()),
        "error": float(bits.std(ddof=1) / len(bits) ** 0.5),
        "seconds": time.process_time() - start,
        "train": len(train),
        "test": len(test),
        "shape": list(train.image_shape),
    }


def main() -> None:
    """Run what is missing and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sets", nargs="*", default=list(SETS), choices=SETS)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    runs = Runs("image_sets", {"seed": SEED, "test": TEST, "minutes": MINUTES})
    for name in chosen.sets:
        for model in (BASELINE, *MODELS):
            key = f"{name}, {model}"
            if key not in runs:
                runs.add(key, judged(name, model))
                print(key, runs.found[key], flush=True)
    _write(runs.found)


def _write(found: dict[str, Any]) -> None:
    rows = []
    for name in SETS:
        outcomes = [found.get(f"{name}, {model}") for model in (BASELINE, *MODELS)]
        first = outcomes[0]
        if first is None:
            continue
        size = " x ".join(map(str, first["shape"][1:]))
        bits = [f"{o['bits']:.3f} ± {o['error']:.3f}" if o else "not measured" for o in outcomes]
        seconds = [f"{o['seconds']:.0f}" if o else None for o in outcomes[1:]]
        rows.append([name, size, f"{first['train']:,}", f"{first['test']:,}", *bits, *seconds])
    write_table(
        "image_sets",
        "Frey faces and Omniglot: bits per dimension",
        ["set", "size", "images", "test", BASELINE, *MODELS, *(f"{m}, CPU s" for m in MODELS)],
        rows,
        notes=[
            "8 bits, uniform dequantisation, defaults of fit_images, which holds a tenth of its "
            "images out; test images, a tenth of all drawn at random, with one draw of the noise, "
            "and the standard error of their mean. Frey faces are frames of one film: neighbours "
            "of test frames were trained on.",
            "Independent pixels: a histogram of 256 values for every pixel, one added to each "
            "count.",
        ],
        seed=SEED,
    )


if __name__ == "__main__":
    main()
