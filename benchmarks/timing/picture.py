"""The picture of all recorded cases: everybody's time as a multiple of diffeo's."""

from __future__ import annotations

from typing import Any

from peers import PEERS
from table import RESULTS

from timing.page import median

__all__ = ["draw"]


def draw(records: dict[str, dict[str, Any]]) -> None:
    """Write results/speed.png: a row a work, a mark a contestant; compiled ones are hollow."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    works = [
        (f"{key}  {label}", work["entrants"])
        for key, record in sorted(records.items())
        for label, work in record["works"].items()
        if median(work["entrants"]["diffeo"]) is not None
    ]
    figure, axes = plt.subplots(figsize=(9, 1.5 + 0.32 * len(works)), layout="constrained")
    colours = dict(zip(("diffeo", *PEERS), plt.get_cmap("tab10").colors, strict=False))
    for row, (_, entrants) in enumerate(works):
        unit = median(entrants["diffeo"])
        for name, entry in entrants.items():
            library, _, mode = name.partition(" ")
            if (value := median(entry)) is not None:
                face = "none" if mode else colours[library]
                axes.scatter(value / unit, row, edgecolors=colours[library], facecolors=face)
    for library, colour in colours.items():
        axes.scatter([], [], color=colour, label=library)
    axes.scatter([], [], facecolors="none", edgecolors="black", label="compiled, or reversible")
    axes.axvline(1, color=colours["diffeo"], linewidth=0.8, zorder=0)
    axes.set(xscale="log", xlabel="time (G: also memory) as a multiple of diffeo's")
    axes.set_yticks(range(len(works)), [label for label, _ in works])
    axes.invert_yaxis()
    axes.grid(axis="x", which="both", alpha=0.3)
    figure.legend(loc="outside lower center", ncols=5)
    figure.savefig(RESULTS / "speed.png", dpi=120)
    plt.close(figure)
