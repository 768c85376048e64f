"""The page of all recorded cases: what was to be reached, then everybody's times."""

from __future__ import annotations

import json
import statistics
from typing import Any

from table import RESULTS, markdown, record_table

from timing.cases import CASES, Case, Entrant, Size, Target, Work, on_gpu

__all__ = ["gpu_key", "load", "median", "save"]

DATA = RESULTS / "speed.json"
Record = dict[str, Any]
HEADINGS = [
    "case",
    "work",
    "target",
    "best of those",
    "takes",
    "diffeo takes",
    "ratio",
    "reached",
    "arithmetic alone",
    "its share",
]
AGAINST = {
    "eager": "the fastest eager PyTorch peer",
    "compiled": "the fastest compiled peer",
    "all": "the fastest of all peers",
}
NOTES = [
    "Contestants take turns (A B C A B C ...), each in a process of its own, in float32. A turn is "
    "a quarter of a second of calls, at least one; times are medians of the turns' medians, "
    "and ratios are ratios of those.",
    "Train step: zero_grad, mean negative log-likelihood, backward, Adam (fused; optax's in JAX). "
    "Data and noise are given draws of N(0, 1). Densities and samples take no gradient.",
    "Compiled: `torch.compile` of the loss (with its backward) or of the density, in fresh caches. "
    "First call: its seconds, compilation included.",
    "diffeo's densities and samples come from its public `log_prob` and `from_base`, the peers' "
    "from their bare transforms with the same standard normal, which spares them their checks.",
    "Arithmetic alone: the matrix products of the conditioners, with a mask's zeros, at the rate "
    "of a large product measured in the same run; a train step counts three times a density, an "
    "autoregressive inverse as one pass.",
    "Round trip: the largest error of 256 draws of noise to data and back, after the steps above; "
    "a dash where the library has no inverse.",
]


def gpu_key(key: str) -> str:
    return f"{key} on a GPU"


def load() -> dict[str, Record]:
    """What was measured so far, by case."""
    return json.loads(DATA.read_text("utf-8")) if DATA.exists() else {}


def save(records: dict[str, Record]) -> None:
    """Write the records, and the page from all of them."""
    DATA.write_text(json.dumps(records, indent=1) + "\n", "utf-8")
    targets = markdown(
        HEADINGS,
        [row for key, case in CASES.items() for row in _targets(key, case, records.get(key, {}))],
    )
    lines = ["# Speed: diffeo beside its peers", "", targets, "", *(f"- {n}" for n in NOTES), ""]
    on_gpus = {gpu_key(key): on_gpu(case) for key, case in CASES.items() if case.gpu}
    for key, case in (CASES | on_gpus).items():
        lines += [f"## {key}: {case.title}", "", *_case(case, records.get(key, {})), ""]
    (RESULTS / "speed.md").write_text("\n".join(lines), "utf-8")
    print(targets)


def median(entry: Record) -> float | None:
    """Of a contestant's turns; None if it failed in any."""
    return None if "failed" in entry else statistics.median(entry["turns"])


# -- what was to be reached -----------------------------------------------------------------------


def _targets(key: str, case: Case, record: Record) -> list[list[Any]]:
    if not case.sizes:
        return [[key, case.title, *[None] * (len(HEADINGS) - 2)]]
    return [
        [key, size.label(work), _words(target), *_outcome(case, size, work, target, record)]
        for size in case.sizes
        for work in size.works
        for target in work.targets
    ]


def _words(target: Target) -> str:
    return f"<= {target.limit:.3g} x {AGAINST.get(target.against, target.against)}"


def _outcome(case: Case, size: Size, work: Work, target: Target, record: Record) -> list[Any]:
    if not record:
        return ["not measured", *[None] * 6]
    measured = record["works"][size.label(work)]
    times = {name: median(entry) for name, entry in measured["entrants"].items()}
    rivals = [e.name for e in case.entrants if _is_rival(e, target.against)]
    rival, theirs = _best(rivals, times)
    _, ours = _best(target.ours, times)
    floor = _floor(measured, record)
    ratio = ours / theirs if ours and theirs else None
    return [
        rival,
        theirs and _quantity(theirs, work),
        ours and _quantity(ours, work),
        ratio,
        ratio and ("yes" if ratio <= target.limit else "no"),
        floor and _quantity(floor, work),
        f"{floor / ours:.0%}" if floor and ours else None,
    ]


def _is_rival(entrant: Entrant, against: str) -> bool:
    if against not in AGAINST:
        return entrant.name == against
    return entrant.library != "diffeo" and against in ("all", entrant.mode)


def _best(names: Any, times: dict[str, float | None]) -> tuple[str | None, float | None]:
    found = {name: time for name in names if (time := times.get(name)) is not None}
    return min(found.items(), key=lambda item: item[1], default=(None, None))


def _floor(measured: Record, record: Record) -> float | None:
    """Milliseconds of the arithmetic."""
    return measured["flops"] and 1e3 * measured["flops"] / record["GEMM flops/s"]


def _quantity(value: float, work: Work) -> str:
    return f"{value:.3g} {work.unit}"


# -- everybody ------------------------------------------------------------------------------------


def _case(case: Case, record: Record) -> list[str]:
    if not record:
        return ["Not measured."]
    lines = []
    for size in case.sizes:
        for work in size.works:
            measured = record["works"][size.label(work)]
            entrants = measured["entrants"]
            headings = ["", work.unit, "first call (s)", _check_heading(work)]
            rows = [
                [name, median(entry), entry["first"], entry["check"]]
                for name, entry in entrants.items()
                if "failed" not in entry
            ]
            if floor := _floor(measured, record):
                rows.append(["arithmetic alone", floor, None, None])
            lines += [f"**{size.label(work)}**", "", markdown(headings, rows), ""]
            failed = [f"{n}: {e['failed']}" for n, e in entrants.items() if "failed" in e]
            lines += ["Without a time: " + "; ".join(failed) + ".", ""] if failed else []
    provenance = {k: v for k, v in record.items() if k not in ("works", "GEMM flops/s")}
    provenance["large matrix product"] = f"{record['GEMM flops/s'] / 1e9:.0f} GFLOP/s"
    return [*lines, *([case.left_out, ""] if case.left_out else []), *record_table(provenance)]


def _check_heading(work: Work) -> str:
    return "last epoch's loss (nats)" if work.step == "fit" else "round trip"
