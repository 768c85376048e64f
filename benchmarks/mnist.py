"""Bits per dimension of MNIST by Glow with splines, in a given time; the learning curve.

python benchmarks/mnist.py                                   # half an hour of one core
python benchmarks/mnist.py --device cuda --minutes 25 --epochs 100 --hidden 256 --steps 16

A run is kept when it ends; the table has the last one of each device.
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

import diffeo
from diffeo.images import ImageModel
from diffeo.univariates import RationalQuadraticSpline

SEED = 0
BITS = 8
# images of the test set that draw the curve; the last figure is of all of them
WATCHED = 1000
LIMITS = {"cpu": 1.30, "cuda": 1.02}


def load() -> tuple[torch.Tensor, torch.Tensor]:
    """Training and test images (N, 1, 28, 28)."""
    with np.load(data_folder("images") / "mnist.npz", allow_pickle=False) as file:
        parts = [torch.from_numpy(file[key]).float()[:, None] for key in ("x_train", "x_test")]
    return parts[0], parts[1]


def fit(chosen: argparse.Namespace) -> dict[str, Any]:
    """Train for so many minutes, and what came of it."""
    train, test = load()
    train = train[: chosen.rows]
    flow = diffeo.Glow(
        (1, 28, 28),
        scales=2,
        steps=chosen.steps,
        hidden=chosen.hidden,
        univariate=RationalQuadraticSpline(8),
        seed=SEED,
    )
    model = ImageModel(flow, bits=BITS).to(chosen.device)
    watched = test[:WATCHED].to(chosen.device)
    start, processor = time.monotonic(), time.process_time()
    curve: list[tuple[float, float]] = []

    # with a graph, all images would be kept at once
    @torch.no_grad()
    def watch(epoch: int, _: float, __: float | None) -> None:
        minutes = (time.monotonic() - start) / 60
        curve.append((minutes, float(model.bits_per_dim(watched, seed=SEED).mean())))
        print(f"epoch {epoch}: {minutes:.1f} min, {curve[-1][1]:.3f} bits/dim", flush=True)

    model.fit(
        train,
        validation=None,
        epochs=chosen.epochs,
        batch_size=chosen.batch_size,
        lr=chosen.lr,
        max_time=60 * chosen.minutes,
        seed=SEED,
        progress=False,
        on_epoch=watch,
        **({"ema": chosen.ema} if chosen.ema else {}),
    )
    seconds, processor = time.monotonic() - start, time.process_time() - processor
    with torch.no_grad():
        found = model.bits_per_dim(test.to(chosen.device), seed=SEED)
    return {
        "bits": float(found.mean()),
        "error": float(found.std() / len(found) ** 0.5),
        "minutes": seconds / 60,
        "processor": processor / 60,
        "curve": curve,
        "setting": {key: getattr(chosen, key) for key in ("steps", "hidden", "batch_size", "lr")},
        "parameters": sum(p.numel() for p in model.parameters()),
        "threads": torch.get_num_threads(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--epochs", type=int, default=5, help="of the schedule, within the time")
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--hidden", type=int, default=48)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--ema", type=float)
    chosen = parser.parse_args()
    runs = Runs("mnist", {"seed": SEED, "bits": BITS})
    runs.add(torch.device(chosen.device).type, fit(chosen))
    _write(runs.found)


def _write(found: dict[str, Any]) -> None:
    rows = []
    for device, limit in LIMITS.items():
        run = found.get(device)
        if run is None:
            rows.append([device, "not measured", limit, None, None, None, None, None])
            continue
        setting = ", ".join(f"{key} {value}" for key, value in run["setting"].items())
        curve = ", ".join(f"{m:.0f} min {bits:.2f}" for m, bits in run["curve"])
        figure = f"{run['bits']:.3f} ± {run['error']:.3f}"
        minutes = [f"{run['minutes']:.0f}", f"{run['processor']:.0f}"]
        rows.append([device, figure, limit, *minutes, run["parameters"], setting, curve])
    write_table(
        "mnist",
        "MNIST: bits per dimension in a limited time",
        [
            "device",
            "test bits/dim",
            "wanted",
            "minutes",
            "CPU minutes",
            "parameters",
            "setting",
            "curve",
        ],
        rows,
        notes=[
            "All 60,000 training images, 8 bits, uniform dequantisation, no augmentation; Glow of "
            "two scales whose couplings are rational-quadratic splines. Mean over the 10,000 test "
            "images with one draw each, and its standard error.",
            "Minutes are wall time, other jobs at work beside it; CPU minutes are of all threads.",
            f"Curve: the first {WATCHED} test images after each epoch. Nothing was chosen by them.",
            "Published with long training: RealNVP 1.06, Glow 1.05, FFJORD 0.99.",
        ],
        seed=SEED,
    )


if __name__ == "__main__":
    main()
