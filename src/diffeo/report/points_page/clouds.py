"""Clouds as plots that can be turned with a mouse or a finger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from diffeo.report.page.html import grid
from diffeo.report.page.plots import DATA, plot
from diffeo.report.points_page.content import ShownCloud

__all__ = ["turnable", "turnables"]

HEIGHT = 320
# beside the origin, somewhat above it
EYE = (1.0, 0.8, 0.55)


def turnables(clouds: Sequence[ShownCloud]) -> str:
    """Clouds beside each other, as many as there is room for."""
    return grid(turnable(shown) for shown in clouds)


def turnable(shown: ShownCloud) -> str:
    """A figure with the cloud, coloured by height."""
    points = shown.points.astype(np.float32)
    drawn = _flat(points) if points.shape[1] == 2 else _deep(points, shown.up)
    turned = "" if points.shape[1] == 2 else "; drag it to turn it"
    label = f"A cloud of {len(points):,} points{turned}"
    return plot(drawn, label, caption=shown.caption)


def _flat(points: Any) -> dict[str, Any]:
    trace = {
        "type": "scatter",
        "mode": "markers",
        "x": points[:, 0],
        "y": points[:, 1],
        "marker": {"size": 2, "color": DATA},
        "hoverinfo": "skip",
    }
    axis = {"visible": False}
    return {
        "data": [trace],
        "layout": {
            "height": HEIGHT,
            "xaxis": axis,
            "yaxis": {**axis, "scaleanchor": "x"},
            "showlegend": False,
        },
    }


def _deep(points: Any, up: str) -> dict[str, Any]:
    height = "xyz".index(up)
    trace = {
        "type": "scatter3d",
        "mode": "markers",
        **dict(zip("xyz", points.T, strict=True)),
        "marker": {"size": 2, "color": points[:, height], "colorscale": "Viridis"},
        "hoverinfo": "skip",
    }
    # the axes in turn, so that the upright one is last
    names = [*"xyz"[height + 1 :], *"xyz"[: height + 1]]
    hidden = {"visible": False}
    camera = {
        "up": {name: float(name == up) for name in names},
        "eye": dict(zip(names, EYE, strict=True)),
        "projection": {"type": "orthographic"},
    }
    return {
        "data": [trace],
        "layout": {
            "height": HEIGHT,
            "margin": dict.fromkeys("lrtb", 0),
            "scene": {
                "xaxis": hidden,
                "yaxis": hidden,
                "zaxis": hidden,
                "aspectmode": "data",
                # of its own, because that of the page zooms, and on a phone does nothing
                "dragmode": "orbit",
                "camera": camera,
            },
        },
    }
