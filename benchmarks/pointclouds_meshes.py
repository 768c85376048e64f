"""A flow of the points of one surface: how far its samples are from it, for four meshes.

python benchmarks/pointclouds_meshes.py                 # about ten minutes of one core a mesh
python benchmarks/pointclouds_meshes.py --minutes 2 --meshes spot
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
from budget import cosine_over
from data import data_folder
from runs import Runs
from table import RESULTS, write_table

from diffeo.points import PointData, fit_clouds, load_clouds, picture_clouds, surface_distances

SEED = 0
SAMPLES = 10_000
# of the radius, at the 95th percentile
WANTED = 0.02
# points of a mesh that are kept from the fit, to know what the measure says of the surface itself
HELD_OUT = 2_000


def run(data: PointData, chosen: argparse.Namespace) -> dict[str, Any]:
    """What came of one mesh."""
    cloud = data.clouds[0].astype(np.float64)
    order = np.random.default_rng(SEED).permutation(len(cloud))
    unseen, known = cloud[order[:HELD_OUT]], cloud[order[HELD_OUT:]]
    start, used = time.monotonic(), time.process_time()
    flow = fit_clouds(
        PointData([known.astype(np.float32)], source=data.called(0)),
        options={"layers": chosen.layers, "hidden": (chosen.hidden,) * 2, "bins": chosen.bins},
        validation=None,
        epochs=10**6,
        batch_size=chosen.batch_size,
        lr=chosen.lr,
        schedule=cosine_over(chosen.minutes),
        max_time=60 * chosen.minutes,
        seed=SEED,
        progress=False,
    )
    drawn = flow.sample(SAMPLES, seed=SEED).numpy()
    radius = float(np.linalg.norm(cloud - cloud.mean(0), axis=1).max())
    found: dict[str, Any] = {
        "minutes": (time.monotonic() - start) / 60,
        "cpu_minutes": (time.process_time() - used) / 60,
        "nats": -float(flow.log_prob(unseen.astype(np.float32)).mean()),
    }
    for name, points in (("samples", drawn), ("held out", unseen)):
        off = surface_distances(points, known) / radius
        raw = _nearest(points, known) / radius
        found[name] = {
            "median": float(np.median(off)),
            "p95": float(np.quantile(off, 0.95)),
            "nearest p95": float(np.quantile(raw, 0.95)),
        }
    picture = [known[:5000], drawn[:5000]]
    picture_clouds(
        RESULTS / f"pointclouds_{data.called(0).split('(')[-1].rstrip(')')}.png",
        picture,
        titles=["points of the mesh", "samples"],
        up="y",
    )
    return found


def _nearest(points: Any, known: Any) -> Any:
    from scipy.spatial import cKDTree

    return cKDTree(known).query(points)[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--meshes", nargs="+")
    parser.add_argument("--again", action="store_true", help="measure rows anew")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--bins", type=int, default=16)
    parser.add_argument("--batch-size", type=int, default=512)
    parser.add_argument("--lr", type=float, default=2e-3)
    chosen = parser.parse_args()
    data = load_clouds(data_folder("pointclouds") / "mesh_points_20k.npz")
    assert data.titles is not None
    runs = Runs("pointclouds_meshes", {"seed": SEED, "held_out": HELD_OUT})
    for i, name in enumerate(data.titles):
        wanted = chosen.meshes is None or name in chosen.meshes
        if wanted and (name not in runs or chosen.again):
            runs.add(name, run(data.subset([i]), chosen))
    _write(runs.found, data.titles)


def _write(found: dict[str, Any], names: tuple[str, ...]) -> None:
    rows = []
    for name in names:
        result = found.get(name)
        if result is None:
            rows.append([name, "not measured", *[None] * 7])
            continue
        shares = [
            f"{result[which][key]:.2%}"
            for which, key in (
                ("samples", "p95"),
                ("samples", "median"),
                ("held out", "p95"),
                ("samples", "nearest p95"),
                ("held out", "nearest p95"),
            )
        ]
        met = "yes" if result["samples"]["p95"] <= WANTED else "NO"
        rows.append([name, *shares, result["nats"], f"{result['cpu_minutes']:.1f}", met])
    write_table(
        "pointclouds_meshes",
        "Samples of a flow of one surface: distance to it, in shares of its radius",
        [
            "mesh",
            "samples, 95 %",
            "median",
            "held-out points, 95 %",
            "to the nearest point, 95 %",
            "the same of held-out points",
            "held-out nats",
            "CPU min",
            f"95 % within {WANTED:.0%}",
        ],
        rows,
        notes=[
            f"20,000 area-uniform points of each mesh, of which {HELD_OUT:,} are kept from the "
            f"fit; {SAMPLES:,} samples. Radius: the largest distance to the mean of the points.",
            "Points of the surface itself are off their nearest known point, too: held-out ones "
            "show how much. So a plane is laid through the 8 nearest known points, and the "
            "distance is the one to the disc of it that they cover "
            "(diffeo.points.surface_distances); for held-out points, what is left of it is the "
            "error of the measure.",
        ],
        seed=SEED,
        packages=["scipy"],
    )


if __name__ == "__main__":
    main()
