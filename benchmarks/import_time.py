"""Time of `import diffeo` beside `import torch`: medians of 10 alternating runs.

python benchmarks/import_time.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from table import write_table

RUNS = 10
TARGET = 1.25


def _seconds(module: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True)
    return time.perf_counter() - start


def main() -> None:
    modules = ["torch", "diffeo"]
    for module in modules:
        _seconds(module)  # fills the file cache and the byte-code cache
    times: dict[str, list[float]] = {module: [] for module in modules}
    for _ in range(RUNS):
        for module in modules:
            times[module].append(_seconds(module))
    medians = {module: statistics.median(values) for module, values in times.items()}
    ratio = medians["diffeo"] / medians["torch"]
    rows = [[f"import {module}", f"{medians[module]:.3f}", ""] for module in modules]
    rows.append(["ratio", f"{ratio:.3f}", f"{TARGET} ({'yes' if ratio <= TARGET else 'no'})"])
    write_table(
        "import_time",
        "Import time",
        ["what", "median seconds of a process", "target (reached)"],
        rows,
        notes=[f"{RUNS} alternating runs each, after one to warm the caches."],
        seed=0,
    )


if __name__ == "__main__":
    main()
