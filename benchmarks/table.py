"""How every benchmark writes its table: Markdown to read, JSON to compute with."""

from __future__ import annotations

import datetime
import json
import math
import os
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

__all__ = ["RESULTS", "markdown", "provenance", "record_table", "write_table"]

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"


def write_table(
    name: str,
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    notes: Sequence[str] = (),
    seed: int | Sequence[int],
    packages: Sequence[str] = (),
) -> Path:
    """Write ``results/NAME.md`` and ``results/NAME.json``, print the table, return the page's path.

    Args:
        name: file name without suffix.
        title: heading of the page.
        columns: one heading a column.
        rows: one value a column: a string is written as it is, a float to four significant
            digits, None as a dash. JSON keeps full precision.
        notes: how to read the table, one bullet each.
        seed: the seed, or the seeds, that make the numbers.
        packages: distributions (as pip knows them) whose versions matter besides torch and diffeo.

    Raises:
        ValueError: a row of another length than ``columns``.
    """
    for row in rows:
        if len(row) != len(columns):
            raise ValueError(
                f"{name}: a row of {len(row)} values for {len(columns)} columns: {row}"
            )
    record = provenance(seed, packages)
    table = markdown(columns, rows)
    page = [f"# {title}", "", table, ""]
    page += [*(f"- {note}" for note in notes), ""] if notes else []
    page += record_table(record)
    content = {
        "name": name,
        "title": title,
        "columns": list(columns),
        "rows": [[_plain(value) for value in row] for row in rows],
        "notes": list(notes),
        **record,
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.md"
    path.write_text("\n".join(page) + "\n", encoding="utf-8")
    path.with_suffix(".json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(f"{table}\n\nwrote {path.relative_to(ROOT)}")
    return path


def markdown(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A table whose cells are as ``write_table`` has them."""
    cells = [[_cell(heading) for heading in columns], *([_cell(v) for v in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    lines = [
        "| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |"
        for row in cells
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *lines[1:]])


def _cell(value: Any) -> str:
    value = _scalar(value)
    if value is None:
        return "-"
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")


def _plain(value: Any) -> Any:
    """JSON has no NaN and no infinity: they become strings."""
    value = _scalar(value)
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _scalar(value: Any) -> Any:
    """Numbers of torch and numpy as Python's own."""
    return value.item() if hasattr(value, "item") else value


def _line(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {item}" for key, item in value.items())
    return str(value)


def provenance(seed: int | Sequence[int], packages: Sequence[str]) -> dict[str, Any]:
    """Command, date, seed, versions and hardware of what runs now."""
    names = dict.fromkeys(["torch", "diffeo", *packages])
    return {
        "command": _command(),
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "seed": seed if isinstance(seed, int) else list(seed),
        "versions": {"python": platform.python_version(), **{n: _version(n) for n in names}},
        "hardware": {
            "CPU": _cpu(),
            "cores": os.cpu_count(),
            "torch threads": torch.get_num_threads(),
            **_gpu(),
        },
    }


def record_table(record: Mapping[str, Any]) -> list[str]:
    """The lines of a provenance as a table."""
    return ["| | |", "|---|---|", *(f"| {key} | {_line(item)} |" for key, item in record.items())]


def _command() -> str:
    """The command line, with the script's path as seen from the repository's root."""
    script = Path(sys.argv[0]).resolve()
    inside = script.is_relative_to(ROOT)
    shown = script.relative_to(ROOT).as_posix() if inside else script.name
    return shlex.join(["python", shown, *sys.argv[1:]])


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _cpu() -> str:
    """The CPU's name; Linux tells it in /proc, other systems through ``platform``."""
    try:
        info = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in info.splitlines() if "model name" in line]
    return names[0] if names else platform.machine()


def _gpu() -> dict[str, str]:
    return {"GPU": torch.cuda.get_device_name()} if torch.cuda.is_available() else {}
