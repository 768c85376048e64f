"""Round trips and agreement of densities at perturbed parameters, in float64 and in float32.

Stacks of RQ-spline couplings of diffeo, nflows, normflows and zuko, measured in the same way.
Writes results/round_trip.md.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import torch
from peers import Architecture, Map, TorchContestant, adapter
from table import write_table
from torch import Tensor

FEATURES = 8
LAYERS = 8
POINTS = 20_000
SEEDS = (0, 1, 2)
NOISE_SEED, POINT_SEED = 1000, 2000  # streams apart from that of the initial weights
QUANTILE = 0.999
STACK = Architecture("RQ coupling", LAYERS, FEATURES)
ONE_LAYER = Architecture("RQ coupling", 1, FEATURES)
DIRECTIONS = ("x to z to x", "z to x to z")
COLUMNS = [
    "flow",
    "direction",
    "float64: largest error",
    "float64: largest log_prob gap",
    "float32: error",
    "float32: floor",
    "error / floor",
    "float32: log_prob gap",
    "one layer: error",
    "one layer: largest error",
]


def perturbation(seed: int) -> Any:
    """0.5 N(0, 1) / sqrt(fan-in) for matrices, 0.5 N(0, 1) for other parameters."""
    generator = torch.Generator().manual_seed(NOISE_SEED + seed)

    def noise(shape: tuple[int, ...]) -> Tensor:
        fan_in = math.prod(shape[1:]) if len(shape) > 1 else 1
        return 0.5 / math.sqrt(fan_in) * torch.randn(shape, generator=generator)

    return noise


def build(flow: str, want: Architecture, seed: int) -> TorchContestant:
    """The perturbed flow of a library; "diffeo couplings" has no linear layers, like the peers."""
    torch.manual_seed(seed)
    module = adapter(flow.split()[0])
    made = module.couplings(want) if flow.endswith("couplings") else module.build(want)
    made.perturb(perturbation(seed))
    return made


def error(there: Map, back: Map, x: Tensor) -> Tensor:
    """The largest error of a coordinate, for each point."""
    return (back(there(x)[0])[0].double() - x.double()).abs().amax(-1)


def floor(there: Map, back: Map, x: Tensor) -> Tensor:
    """The error left when every computation is in float64 and only the output is rounded."""

    def rounded(x: Tensor) -> tuple[Tensor, Tensor]:
        z, ladj = there(x)
        return z.float().double(), ladj

    return error(rounded, back, x)


def gap(flow: TorchContestant, z: Tensor) -> Tensor:
    """|log_prob(x) - the log-density that came with the sample x|, for each point."""
    x, ladj = flow.to_data(z)
    back, inverse_ladj = flow.to_base(x)
    return (_log_normal(back) + inverse_ladj - (_log_normal(z) - ladj)).abs().double()


def _log_normal(z: Tensor) -> Tensor:
    return -0.5 * (z.square() + math.log(2 * math.pi)).sum(-1)


def quantile(errors: Tensor) -> float:
    return errors.nan_to_num(nan=torch.inf).quantile(QUANTILE).item()


def maps(flow: TorchContestant, direction: str) -> tuple[Map, Map]:
    both = flow.to_base, flow.to_data
    return both if direction == DIRECTIONS[0] else both[::-1]


@torch.no_grad()
def measure(name: str, seed: int) -> list[list[float]]:
    """The numbers of one seed, a list for each direction."""
    x = torch.randn(POINTS, FEATURES, generator=torch.Generator().manual_seed(POINT_SEED + seed))
    flow, layer = build(name, STACK, seed), build(name, ONE_LAYER, seed)
    exact = flow.double()
    exact_gap, here_gap = gap(exact, x.double()).max().item(), quantile(gap(flow, x))
    results = []
    for direction in DIRECTIONS:
        here = quantile(error(*maps(flow, direction), x))
        least = quantile(floor(*maps(exact, direction), x.double()))
        single = error(*maps(layer, direction), x)
        results.append(
            [
                error(*maps(exact, direction), x.double()).max().item(),
                exact_gap,
                here,
                least,
                here / least,
                here_gap,
                quantile(single),
                single.max().item(),
            ]
        )
    return results


def rows(name: str) -> list[list[Any]]:
    """A row for each direction: the worst of the seeds, or why there is no number."""
    empty = [None] * (len(COLUMNS) - 3)
    try:
        results = [measure(name, seed) for seed in SEEDS]
    except ModuleNotFoundError as reason:
        return [[name, DIRECTIONS[0], f"not installed ({reason})", *empty]]
    except Exception as reason:  # a peer may raise anything
        return [[name, DIRECTIONS[0], f"raises {type(reason).__name__}", *empty]]
    return [
        [name, direction, *(max(values) for values in zip(*of_seeds, strict=True))]
        for direction, of_seeds in zip(DIRECTIONS, zip(*results, strict=True), strict=True)
    ]


def main() -> None:
    warnings.simplefilter("ignore")  # the peers warn of many things
    flows = ("diffeo couplings", "diffeo NSF", "nflows", "normflows", "zuko")
    write_table(
        "round_trip",
        "Round trips at perturbed parameters",
        COLUMNS,
        [row for name in flows for row in rows(name)],
        notes=[
            f"{LAYERS} RQ-spline couplings of 8 bins on [-5, 5], D = {FEATURES}, conditioners "
            f"2 x 128, {POINTS:,} inputs N(0, 1); diffeo NSF has its linear layers besides.",
            "Parameters: the initial ones plus 0.5 N(0, 1) / sqrt(fan-in) for matrices and "
            "0.5 N(0, 1) for others.",
            "The error of a point is the largest among its coordinates, absolute. Where it does "
            f"not say largest, it is the {QUANTILE:.1%} quantile of the points.",
            "Floor: the same round trip in float64 with only the output of the first pass rounded "
            "to float32.",
            "log_prob gap: |log_prob(x) - the log-density that came with the sample x|.",
            f"The worst of {len(SEEDS)} seeds, column by column.",
        ],
        seed=SEEDS,
        packages=("nflows", "normflows", "zuko"),
    )


if __name__ == "__main__":
    main()
