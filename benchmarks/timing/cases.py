"""The cases: what is timed, on which flow, by whom, and what diffeo is to reach."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

from peers import PEERS, Architecture

__all__ = ["CASES", "Case", "Entrant", "Mode", "Size", "Step", "Target", "Work", "on_gpu"]

Step = Literal["train", "log_prob", "sample", "reverse KL", "memory", "fit"]
Mode = Literal["eager", "compiled", "jit", "reversible"]
JAX = ("FlowJAX", "Distrax")
GPU_ROWS = (512, 4096, 65_536)
WORDS: dict[Step, str] = {
    "train": "train step, {:,} rows",
    "log_prob": "log_prob of {:,}",
    "sample": "sampling {:,}",
    "reverse KL": "reverse-KL step, {:,} rows",
    "memory": "activation memory, {:,} rows",
    "fit": "process that fits {:,} rows",
}


@dataclass(frozen=True)
class Entrant:
    """A library in one of its modes."""

    library: str
    mode: Mode

    @property
    def name(self) -> str:
        return self.library if self.mode in ("eager", "jit") else f"{self.library} {self.mode}"

    def runs(self, step: Step) -> bool:
        """What repays its compilation is compiled: training and densities."""
        return self.mode != "compiled" or step in ("train", "log_prob", "reverse KL")


@dataclass(frozen=True)
class Target:
    """``ours`` is to take at most ``limit`` times as much as the best among ``against``.

    Attributes:
        limit: largest ratio of medians.
        against: "eager" or "compiled" PyTorch peers, "all" peers, or one entrant's name.
        ours: names of diffeo's entrants, of which the best counts.
    """

    limit: float
    against: str
    ours: tuple[str, ...] = ("diffeo",)


@dataclass(frozen=True)
class Work:
    """One step on so many rows."""

    step: Step
    rows: int
    targets: tuple[Target, ...] = ()

    @property
    def unit(self) -> str:
        return {"memory": "MiB", "fit": "s"}.get(self.step, "ms")

    def __str__(self) -> str:
        return WORDS[self.step].format(self.rows)


@dataclass(frozen=True)
class Size:
    """The works on one flow."""

    architecture: Architecture
    works: tuple[Work, ...]

    def label(self, work: Work) -> str:
        return f"D = {self.architecture.features}: {work}"


@dataclass(frozen=True)
class Case:
    """A row of the benchmark.

    Attributes:
        title: what it is about.
        sizes: flows, and what is done with each; empty for a case that waits for something.
        entrants: who takes part.
        left_out: why others do not.
        gpu: whether it has rows for GPUs.
    """

    title: str
    sizes: tuple[Size, ...] = ()
    entrants: tuple[Entrant, ...] = ()
    left_out: str = ""
    gpu: bool = False


BREAKS = (
    "Not compiled: nflows, normflows, Pyro and torchflows, whose splines index by boolean masks or "
    "branch on values: Dynamo broke their graphs {} times (torch 2.13)."
)


def _entrants(*compiled: str) -> tuple[Entrant, ...]:
    """Everybody as it comes, and some compiled."""
    eager = ("diffeo", *(name for name in PEERS if name not in JAX))
    return (
        *(Entrant(name, "eager") for name in eager),
        *(Entrant(name, "compiled") for name in compiled),
        *(Entrant(name, "jit") for name in JAX),
    )


def _couplings(
    kind: Literal["affine coupling", "RQ coupling"],
    train: tuple[Target, ...],
    log_prob: tuple[Target, ...],
    sample: tuple[Target, ...],
) -> tuple[Size, ...]:
    works = (Work("train", 512, train), Work("log_prob", 4096, log_prob))
    return tuple(
        Size(Architecture(kind, layers=8, features=d), (*works, Work("sample", 4096, sample)))
        for d in (8, 43)
    )


def _autoregressive(
    kind: Literal["affine autoregressive", "RQ autoregressive"], features: int, *works: Work
) -> Size:
    return Size(Architecture(kind, layers=5, features=features, hidden=(256, 256)), works)


CASES: dict[str, Case] = {
    "A": Case(
        "RQ-spline couplings: 8 layers, 8 bins, MLP 2 x 128",
        _couplings(
            "RQ coupling",
            train=(
                Target(0.35, "eager"),
                Target(0.60, "FlowJAX"),
                Target(0.75, "compiled", ("diffeo", "diffeo compiled")),
            ),
            log_prob=(Target(0.30, "eager"),),
            sample=(Target(0.30, "eager"),),
        ),
        _entrants("diffeo", "zuko"),
        left_out=BREAKS.format("21, 15, 12 and 14"),
        gpu=True,
    ),
    "B": Case(
        "Affine couplings: 8 layers, MLP 2 x 128",
        _couplings(
            "affine coupling",
            train=(Target(0.70, "all"),),
            log_prob=(Target(1.1, "Distrax"),),
            sample=(),
        ),
        _entrants("diffeo", "nflows", "normflows", "zuko", "Pyro", "FrEIA"),
        left_out="Not compiled: torchflows, whose graph Dynamo broke 11 times (torch 2.13).",
    ),
    "C": Case(
        "MAF: 5 layers, MADE 2 x 256",
        (
            _autoregressive(
                "affine autoregressive",
                21,
                Work("train", 512, (Target(0.9, "all"),)),
                Work("sample", 1024, (Target(1 / 5, "all"),)),
                Work("sample", 1, (Target(1 / 2.5, "all"),)),
            ),
            _autoregressive(
                "affine autoregressive", 63, Work("sample", 1024, (Target(1 / 12, "all"),))
            ),
        ),
        _entrants("diffeo", "nflows", "normflows", "zuko", "Pyro", "torchflows"),
        gpu=True,
    ),
    "D": Case(
        "RQ-spline autoregressive flow: 5 layers, 8 bins, MADE 2 x 256",
        (
            _autoregressive(
                "RQ autoregressive",
                21,
                Work("train", 512, (Target(0.50, "eager"), Target(0.70, "FlowJAX"))),
                Work("sample", 1024, (Target(1 / 15, "all"),)),
                Work("sample", 1),
            ),
        ),
        _entrants("diffeo", "zuko"),
        left_out=BREAKS.format("19, 14, 9 and 10"),
        gpu=True,
    ),
    "E": Case(
        "32 planar layers towards a density of two bumps on a ring",
        (
            Size(
                Architecture("planar", layers=32, features=2),
                (Work("reverse KL", 512, (Target(0.12, "normflows"), Target(1.0, "FlowJAX"))),),
            ),
        ),
        _entrants("diffeo", "normflows", "Pyro"),
    ),
    "F": Case("Glow, 3 scales x 8 steps, 32 x 32 x 3: waits for the image models"),
    "G": Case(
        "Reversible beside ordinary: 96 affine couplings, MLP 2 x 128",
        tuple(
            # processes that measure memory are no good for times
            Size(Architecture("affine coupling", layers=96, features=64), (work,))
            for work in (
                Work("memory", 4096, (Target(1 / 10, "diffeo", ("diffeo reversible",)),)),
                Work("train", 4096, (Target(1.5, "diffeo", ("diffeo reversible",)),)),
            )
        ),
        (Entrant("diffeo", "eager"), Entrant("diffeo", "reversible")),
    ),
    "H": Case(
        "A process from its start to a fitted flow: 6 RQ-spline couplings, 8 bins, MLP 2 x 128, "
        "20 epochs of batches of 256",
        (
            Size(
                Architecture("RQ coupling", layers=6, features=8),
                (Work("fit", 10_000, (Target(0.5, "all"),)),),
            ),
        ),
        (
            *(Entrant(name, "eager") for name in ("diffeo", "zuko", "nflows", "normflows")),
            Entrant("FlowJAX", "jit"),
        ),
    ),
}


def on_gpu(case: Case) -> Case:
    """The same steps at the batches of a GPU, for which no target is set."""
    sizes = [
        dataclasses.replace(
            size,
            works=tuple(
                Work(step, rows)
                for step in dict.fromkeys(work.step for work in size.works)
                for rows in GPU_ROWS
            ),
        )
        for size in case.sizes
    ]
    names = ("diffeo", "zuko", "nflows", "FlowJAX")
    return dataclasses.replace(
        case,
        sizes=tuple(sizes),
        entrants=tuple(e for e in case.entrants if e.library in names),
    )
