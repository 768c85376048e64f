"""Time of importing diffeo's names and of `diffeo --help` beside `import torch`.

Medians of 10 alternating runs.

python benchmarks/import_time.py
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys

from table import write_table

RUNS = 10
TARGET = 1.25


# `import diffeo` alone imports nothing; its names come from diffeo.front when they are used
CODE = {
    "import torch": "import torch",
    "import diffeo.front": "import diffeo.front",
    "diffeo --help": "from diffeo.cli.main import main; main(['--help'])",
}


def _seconds(code: str) -> float:
    """CPU time, which other processes on the machine change least."""
    start = _of_children()
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
    return _of_children() - start


def _of_children() -> float:
    times = os.times()
    return times.children_user + times.children_system


def main() -> None:
    for code in CODE.values():
        _seconds(code)  # fills the file cache and the byte-code cache
    times: dict[str, list[float]] = {what: [] for what in CODE}
    for _ in range(RUNS):
        for what, code in CODE.items():
            times[what].append(_seconds(code))
    medians = {what: statistics.median(values) for what, values in times.items()}
    ratio = medians["import diffeo.front"] / medians["import torch"]
    rows = [[what, f"{median:.3f}", ""] for what, median in medians.items()]
    rows.append(
        ["diffeo.front / torch", f"{ratio:.3f}", f"{TARGET} ({'yes' if ratio <= TARGET else 'no'})"]
    )
    write_table(
        "import_time",
        "Import time",
        ["what", "median CPU seconds of a process", "target (reached)"],
        rows,
        notes=[f"{RUNS} alternating runs each, after one to warm the caches."],
        seed=0,
    )


if __name__ == "__main__":
    main()
