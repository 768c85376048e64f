"""Round trips away from the comfortable case: far inputs and disturbed parameters, in float32.

Writes results/robustness_diffeo.md (every number of diffeo's models) and results/robustness.md
(diffeo beside its peers). `--only diffeo` stops after the first.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from peers import KINDS, PACKAGES, PEERS, Architecture, Contestant, Kind, Map, NotOffered, adapter
from table import write_table
from torch import Tensor

FEATURES = 8
POINTS = 4096
SCALES = (1, 10, 1000)
NOISES = (0.0, 0.05, 0.2)  # sd of the normal noise on every parameter
NOISE_SEED, POINT_SEED = 1000, 2000  # streams apart from that of the initial weights
WRONG = 1e-3  # a point that errs by more did not return
LAYERS: dict[Kind, int] = {  # diffeo's defaults
    "affine coupling": 8,
    "affine autoregressive": 5,
    "RQ coupling": 6,
    "RQ autoregressive": 6,
}
NAMES: dict[Kind, str] = {
    "affine coupling": "RealNVP",
    "affine autoregressive": "MAF",
    "RQ coupling": "NSF",
    "RQ autoregressive": "NSF(autoregressive=True)",
}
HOW = [
    f"D = {FEATURES}, float32, {POINTS} inputs N(0, 1) times the scale; "
    f"a round trip goes from x to the base and back.",
    "The error of a point is the largest |x' - x| / max(1, |x|) among its coordinates.",
    f"Wrong: an error above {WRONG:g}, or not finite. Not finite: any coordinate of z or x', or "
    "either log-determinant.",
    "Noise: normal, with that standard deviation, added to every parameter.",
]


@dataclass
class Outcome:
    """How a batch of round trips went."""

    largest: float  # error of a point
    wrong: float  # share of points
    not_finite: float  # share of points


def round_trip(there: Map, back: Map, x: Tensor) -> Outcome:
    """Go there and back; errors are measured in float64."""
    with torch.no_grad():
        middle, ladj_there = there(x)
        end, ladj_back = back(middle)
    error = ((end.double() - x.double()).abs() / x.double().abs().clamp(min=1)).amax(-1)
    finite = torch.stack(
        [
            middle.isfinite().all(-1),
            end.isfinite().all(-1),
            ladj_there.isfinite(),
            ladj_back.isfinite(),
        ]
    ).all(0)
    error = error.where(finite, torch.inf)
    return Outcome(
        largest=error.max().item(),
        wrong=(error > WRONG).double().mean().item(),
        not_finite=(~finite).double().mean().item(),
    )


Key = tuple[float, int]  # noise, scale
Trips = tuple[Outcome, Outcome]  # x -> z -> x and z -> x -> z


def contestant(library: str, kind: Kind, noise: float, seed: int) -> Contestant:
    """The library's flow with the weights and the noise of ``seed``."""
    torch.manual_seed(seed)
    flow: Contestant = adapter(library).build(Architecture(kind, LAYERS[kind], FEATURES))
    generator = torch.Generator().manual_seed(NOISE_SEED + seed)
    if noise:
        flow.perturb(lambda shape: noise * torch.randn(shape, generator=generator))
    return flow


def measure(library: str, kind: Kind, seeds: Iterable[int]) -> dict[Key, list[Trips | str]]:
    """By noise and scale, what happened for each seed; a string names what was raised."""
    results: dict[Key, list[Trips | str]] = {(n, s): [] for n in NOISES for s in SCALES}
    for seed in seeds:
        for noise in NOISES:
            flow = contestant(library, kind, noise, seed)
            for scale in SCALES:
                generator = torch.Generator().manual_seed(POINT_SEED + seed)
                x = scale * torch.randn(POINTS, FEATURES, generator=generator)
                results[noise, scale].append(_trips(flow, x))
    return results


def _trips(flow: Contestant, x: Tensor) -> Trips | str:
    try:
        return (
            round_trip(flow.to_base, flow.to_data, x),
            round_trip(flow.to_data, flow.to_base, x),
        )
    except Exception as error:  # a peer may raise anything
        return type(error).__name__


def diffeo_table(results: dict[Kind, dict[Key, list[Trips | str]]], seeds: list[int]) -> None:
    """Every noise and scale of diffeo's models, the worst of the seeds."""
    rows = []
    for kind, outcomes in results.items():
        for (noise, scale), trips in outcomes.items():
            raised = sorted({trip for trip in trips if isinstance(trip, str)})
            done = [trip for trip in trips if not isinstance(trip, str)]
            row = [NAMES[kind], noise, scale, ", ".join(raised) or "nothing"]
            for direction in range(2):
                each = [trip[direction] for trip in done]
                for name in ("largest", "wrong", "not_finite"):
                    row.append(max((getattr(o, name) for o in each), default=None))
            rows.append(row)
    directions = ("x to z to x", "z to x to z")
    measures = ("largest error", "share wrong", "share not finite")
    write_table(
        "robustness_diffeo",
        "Round trips away from the comfortable case: diffeo",
        ["model", "noise", "scale", "raised", *(f"{d}: {m}" for d in directions for m in measures)],
        rows,
        notes=[*HOW, f"The models with their defaults; the worst of {len(seeds)} seeds."],
        seed=seeds,
    )


def comparison_table(results: dict[tuple[Kind, str], dict[Key, list[Trips | str]] | str]) -> None:
    """One row a library and kind, one column a noise and scale."""
    rows = []
    for (kind, library), outcomes in results.items():
        if isinstance(outcomes, str):
            rows.append([kind, library, outcomes, *[None] * (len(NOISES) * len(SCALES) - 1)])
        else:
            rows.append([kind, library, *(_cell(trips) for trips in outcomes.values())])
    heading = {0.0: "initial"}
    columns = [f"{heading.get(n, f'noise {n:g}')}, x{s}" for n in NOISES for s in SCALES]
    write_table(
        "robustness",
        "Round trips away from the comfortable case: diffeo and its peers",
        ["kind", "library", *columns],
        rows,
        notes=[
            *HOW,
            "A cell is the share of wrong points, in brackets the share not finite where there is "
            "one, or what was raised.",
            f"Layers: {', '.join(f'{kind} {count}' for kind, count in LAYERS.items())}; "
            "conditioners 2 x 128; splines of 8 bins on [-5, 5]; masks, initialisation and bounds "
            "as each library has them.",
            "FrEIA has affine couplings alone, Distrax no autoregressive flow.",
        ],
        seed=0,
        packages=PACKAGES,
    )


def _cell(trips: list[Trips | str]) -> str:
    (trip,) = trips
    if isinstance(trip, str):
        return f"raises {trip}"
    outcome = trip[0]
    if not outcome.wrong:
        return "0"
    extra = f" ({outcome.not_finite:.2%})" if outcome.not_finite else ""
    return f"{outcome.wrong:.2%}{extra}"


def compare(
    kinds: Iterable[Kind],
) -> dict[tuple[Kind, str], dict[Key, list[Trips | str]] | str]:
    """Measure every library on every kind that it offers."""
    results: dict[tuple[Kind, str], dict[Key, list[Trips | str]] | str] = {}
    for kind in kinds:
        for library in ("diffeo", *PEERS):
            try:
                results[kind, library] = measure(library, kind, [0])
            except NotOffered:
                continue
            except ModuleNotFoundError as error:
                results[kind, library] = f"not installed ({error})"
            except Exception as error:  # a peer that cannot even be built is listed with its reason
                results[kind, library] = f"fails: {type(error).__name__}: {error}"
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=["diffeo"], help="leave the peers out")
    parser.add_argument("--seeds", type=int, default=3, help="seeds of diffeo's own table")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # the peers warn of many things
    seeds = list(range(options.seeds))
    diffeo_table({kind: measure("diffeo", kind, seeds) for kind in KINDS}, seeds)
    if not options.only:
        comparison_table(compare(KINDS))


if __name__ == "__main__":
    main()
