"""Chairs drawn as clouds of points: can they be told from real ones? Tables and pictures.

python benchmarks/pointclouds.py                       # an hour of 2 cores for the flow
python benchmarks/pointclouds.py --device cuda --minutes 25 --hidden 256 --layers 6
python benchmarks/pointclouds.py --rows train mixture  # rows that take minutes

A row is kept when it is measured, and measured again only with --again.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from budget import cosine_over
from data import data_folder
from runs import Runs
from table import RESULTS, write_table

from diffeo.points import (
    PointData,
    chamfer_distance,
    compare_sets,
    fit_clouds,
    load_clouds,
    occupancy_divergence,
    picture_clouds,
)

SEED = 0
CLASS = "chair"
# of each cloud in the earth mover's distance, whose cost grows with their third power
EMD_POINTS = 256
COMPONENTS = 64
# shares of a sample's points, the least probable, that may be left out
TRIMS = (0.0, 0.05, 0.1, 0.2)
LIMITS = {"flow, cpu": 0.75, "flow, cuda": 0.62}
ROWS = ("train", "mixture", "flow")


def load() -> tuple[PointData, PointData]:
    """Training and test clouds of the class."""
    path = data_folder("pointclouds") / "modelnet10_1024_f16.npz"
    parts = []
    for split in ("train", "test"):
        data = load_clouds(path, split=split)
        assert data.names is not None
        parts.append(data.subset(data.labels == data.names.index(CLASS)))
    return parts[0], parts[1]


def judged(samples: Any, test: PointData) -> dict[str, float]:
    """The figures of a set of samples beside the test set, of as many."""
    found: dict[str, float] = {}
    for distance, most in (("chamfer", None), ("emd", EMD_POINTS)):
        compared = compare_sets(samples, test.clouds, distance, max_points=most, seed=SEED)  # type: ignore[arg-type]
        found |= {f"{distance} {key}": value for key, value in vars(compared).items()}
    return {**found, "jsd": occupancy_divergence(samples, test.clouds)}


def from_training(train: PointData, test: PointData) -> dict[str, Any]:
    """Real chairs in place of samples: what can be reached."""
    chosen = np.random.default_rng(SEED).permutation(len(train))[: len(test)]
    return judged(train.subset(chosen).clouds, test)


def from_mixture(train: PointData, test: PointData) -> dict[str, Any]:
    """A mixture of normals of the points of all chairs, from which every cloud is drawn."""
    from sklearn.mixture import GaussianMixture

    start = time.process_time()
    points = train.stacked(64, SEED).reshape(-1, train.dim)
    mixture = GaussianMixture(COMPONENTS, random_state=SEED).fit(points)
    seconds = time.process_time() - start
    count, size = len(test), test.sizes[0]
    drawn = mixture.sample(count * size)[0]
    drawn = drawn[np.random.default_rng(SEED).permutation(len(drawn))]
    return {**judged(drawn.reshape(count, size, -1), test), "cpu_minutes": seconds / 60}


def from_flow(
    train: PointData, test: PointData, chosen: argparse.Namespace, device: str
) -> dict[str, Any]:
    """Samples of a PointCloudFlow fitted for so many minutes; nothing is chosen by the test set."""
    options = {key: getattr(chosen, key) for key in ("latent", "drawn", "layers", "bins")}
    options["hidden"] = (chosen.hidden,) * 2
    start, used = time.monotonic(), time.process_time()
    model = fit_clouds(
        _mirrored(train),
        options=options,
        conditional=False,
        validation=None,
        epochs=10**6 if chosen.epochs is None else chosen.epochs,
        batch_size=chosen.batch_size,
        lr=chosen.lr,
        kl_warmup=chosen.warmup,
        ema=chosen.ema,
        schedule=cosine_over(chosen.minutes) if chosen.epochs is None else "cosine",
        max_time=60 * chosen.minutes,
        device=device,
        seed=SEED,
        progress=False,
        on_epoch=_said(start),
    )
    minutes, cpu = (time.monotonic() - start) / 60, (time.process_time() - used) / 60
    model.to("cpu").save(RESULTS.parent / f"pointclouds_{device}.safetensors")
    samples = model.draw(len(test), test.sizes[0], seed=SEED).numpy()
    picture_clouds(RESULTS / f"pointclouds_{device}.png", samples[:8])
    again = model.reconstruct(list(test.clouds), seed=SEED)
    pairs = zip(test.clouds, again, strict=True)
    return {
        **judged(samples, test),
        "trimmed": _trimmed_row(model, train, test),
        "reconstruction": float(np.mean([chamfer_distance(*pair) for pair in pairs])),
        "nats": float(model.nats_per_point(list(test.clouds), seed=SEED).mean()),
        "minutes": minutes,
        "cpu_minutes": cpu,
        "epochs": len(model.record["history"]),
        "parameters": sum(p.numel() for p in model.parameters()),
        "setting": {**options, "batch": chosen.batch_size, "lr": chosen.lr},
        "threads": torch.get_num_threads(),
    }


def _mirrored(data: PointData) -> PointData:
    """The clouds and their mirror images: all face one way, and left and right are alike."""
    turned = np.array([-1, 1, 1], np.float32)
    both = [*data.clouds, *(turned * cloud for cloud in data.clouds)]
    return PointData(both, source=data.source)


def _trimmed_row(model: Any, train: PointData, test: PointData) -> dict[str, Any]:
    """Samples without their least probable points; how many is chosen by training chairs."""
    chosen = np.random.default_rng(SEED).permutation(len(train))[: len(test)]
    seen = train.subset(chosen).clouds
    tried = {
        share: compare_sets(_trimmed(model, test, share), seen, "chamfer", seed=SEED).accuracy  # type: ignore[arg-type]
        for share in TRIMS
    }
    share = min(tried, key=lambda each: tried[each])
    return {"share": share, "tried": tried, **judged(_trimmed(model, test, share), test)}


def _trimmed(model: Any, test: PointData, share: float) -> Any:
    size = test.sizes[0]
    z = model.prior.sample(len(test), seed=SEED)
    drawn = model.decode(z, round(size / (1 - share)), seed=SEED)
    kept = model.point_log_prob(drawn, z).topk(size, dim=-1).indices
    return drawn.gather(1, kept[..., None].expand(-1, -1, model.dim)).numpy()


def _said(start: float) -> Callable[[int, float, float | None], None]:
    def say(epoch: int, loss: float, _: float | None) -> None:
        if epoch % 10 == 0:
            minutes = (time.monotonic() - start) / 60
            print(f"epoch {epoch}: {minutes:.1f} min, {loss / 1024:.4f} nats a point", flush=True)

    return say


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--again", action="store_true", help="measure rows anew")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--epochs", type=int, help="by default as many as there is time for")
    parser.add_argument("--latent", type=int, default=64)
    parser.add_argument("--drawn", type=int, default=512)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--bins", type=int, default=16)
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--warmup", type=int, default=3000, help="steps of KL warm-up")
    parser.add_argument("--ema", type=float, default=0.999)
    chosen = parser.parse_args()
    train, test = load()
    device = torch.device(chosen.device).type
    runs = Runs("pointclouds", {"seed": SEED, "class": CLASS, "emd_points": EMD_POINTS})
    makes: dict[str, tuple[str, Callable[[], dict[str, Any]]]] = {
        "train": ("training chairs", lambda: from_training(train, test)),
        "mixture": ("Gaussian mixture", lambda: from_mixture(train, test)),
        "flow": (f"flow, {device}", lambda: from_flow(train, test, chosen, chosen.device)),
    }
    for row in chosen.rows:
        name, make = makes[row]
        if name not in runs or chosen.again:
            runs.add(name, make())
    _write(runs.found, len(train), len(test))


def _write(found: dict[str, Any], train: int, test: int) -> None:
    rows = []
    shorter = {f"{k}, trimmed": v["trimmed"] for k, v in found.items() if "trimmed" in v}
    found = {**found, **shorter}
    for name in ("training chairs", "Gaussian mixture", *LIMITS, *shorter):
        run, limit = found.get(name), LIMITS.get(name)
        wanted = None if limit is None else f"<= {limit:.0%}"
        if run is None:
            rows.append([name, "not measured", None, wanted, *[None] * 9])
            continue
        setting = ", ".join(f"{key} {value}" for key, value in run.get("setting", {}).items())
        if "share" in run:
            setting = f"without {run['share']:.0%} of the points"
        rows.append(
            [
                name,
                *(f"{run[f'{kind} accuracy']:.1%}" for kind in ("chamfer", "emd")),
                wanted,
                *(f"{run[f'{kind} coverage']:.0%}" for kind in ("chamfer", "emd")),
                *(run[f"{kind} matching"] for kind in ("chamfer", "emd")),
                run["jsd"],
                run.get("reconstruction"),
                run.get("nats"),
                None if "cpu_minutes" not in run else f"{run['cpu_minutes']:.0f}",
                setting or None,
            ]
        )
    write_table(
        "pointclouds",
        "ModelNet10 chairs: samples beside the test set",
        [
            "samples",
            "1-NNA CD",
            "1-NNA EMD",
            "wanted",
            "coverage CD",
            "coverage EMD",
            "MMD CD",
            "MMD EMD",
            "JSD",
            "reconstruction CD",
            "test nats/point",
            "CPU min",
            "setting",
        ],
        rows,
        notes=[
            f"{train} training and {test} test chairs of 1,024 points, centred and of radius 1; "
            f"{test} samples of 1,024 points at temperature 1. 1-NNA: 50 % where samples cannot be "
            f"told from the test set; its standard error is about 3.5 %.",
            "CD: squared distances to the nearest point, means of both ways added. EMD: mean "
            f"distance of the best matching of {EMD_POINTS} random points of each cloud, which "
            "makes clouds harder to tell apart than all of their points would.",
            "Training chairs: a random choice in place of samples, the value to be reached. "
            f"Gaussian mixture: {COMPONENTS} components with full covariances, fitted to 64 points "
            "of every training chair together; every sample is 1,024 points of it.",
            "Flow: fitted to all training chairs and their mirror images in a limited time, the "
            "last weights; nothing was chosen by the test set. CPU minutes: of all threads.",
            f"Trimmed: samples without their least probable points, a share of {TRIMS} that was "
            "chosen by the 1-NNA CD beside training chairs.",
            "Reconstruction: of test chairs, from one draw of their code. JSD in bits, on a grid "
            "of 28 cells. nats: the ELBO of one draw, an upper bound of -log p.",
        ],
        seed=SEED,
        packages=["scipy", "scikit-learn"],
    )


if __name__ == "__main__":
    main()
