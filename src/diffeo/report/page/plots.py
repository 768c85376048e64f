"""Plotly figures as pieces of HTML, drawn by the page's script."""

from __future__ import annotations

import json
from html import escape
from typing import Any

from diffeo.errors import import_extra
from diffeo.report.page.html import text
from diffeo.report.page.words import short
from diffeo.report.pairs import DATA, SAMPLES

__all__ = ["DATA", "GREY", "SAMPLES", "band", "figure", "in_plot", "plot"]

GREY = "#8a8f98"
MARGIN = {"l": 48, "r": 10, "t": 8}


def figure(*traces: dict[str, Any], x: str = "", y: str = "", **layout: Any) -> dict[str, Any]:
    """A figure of ``traces`` with titled axes; text is HTML already."""
    axes = {
        "xaxis": {"title": {"text": x}, **layout.pop("xaxis", {})},
        "yaxis": {"title": {"text": y}, **layout.pop("yaxis", {})},
    }
    return {"data": list(traces), "layout": {**axes, **layout}}


def in_plot(name: Any, longest: int = 24) -> str:
    """A name as plotly's text, which understands some tags."""
    return escape(short(name, longest), quote=False)


def band(x: Any, low: Any, high: Any, name: str) -> list[dict[str, Any]]:
    """Two traces that shade the room between ``low`` and ``high``."""
    line = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "type": "scatter"}
    shade = {"fill": "tonexty", "fillcolor": "rgba(138,143,152,0.25)", "name": name}
    return [
        {"x": x, "y": low, "showlegend": False, **line},
        {"x": x, "y": high, **line, **shade},
    ]


def plot(
    drawn: dict[str, Any], label: str, *, title: str = "", caption: str = "", wide: bool = False
) -> str:
    """A figure element that holds the plot as JSON.

    Args:
        drawn: a figure.
        label: says in plain words what is seen, for those who do not see it.
        title: above the plot, as HTML.
        caption: below it, plain text.
        wide: whether it takes two places.
    """
    layout = {
        "template": "none",
        "height": 300 if wide else 240,
        "margin": {**MARGIN, "b": 42 if _has_title(drawn) else 24},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"size": 12},
        "showlegend": wide,
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        "bargap": 0,
    }
    go = import_extra("plotly.graph_objects", "report")
    # plotly's own encoding keeps arrays compact, and checks every property
    encoded = go.Figure(drawn["data"], {**layout, **drawn["layout"]}).to_json()
    above = f'<div class="title">{title}</div>' if title else ""
    below = f"<figcaption>{text(caption)}</figcaption>" if caption else ""
    return (
        f'<figure class="plot{" wide" if wide else ""}">{above}'
        f'<div class="drawing" role="img" aria-label="{text(label)}" '
        f'style="height:{json.loads(encoded)["layout"]["height"]}px"></div>'
        f'<script type="application/json">{_inside_a_script(encoded)}</script>{below}</figure>'
    )


def _has_title(drawn: dict[str, Any]) -> bool:
    axes = (axis for name, axis in drawn["layout"].items() if name.startswith("xaxis"))
    return any(axis.get("title", {}).get("text") for axis in axes)


def _inside_a_script(encoded: str) -> str:
    """JSON in which no tag can begin or end."""
    for sign in "<>&":
        encoded = encoded.replace(sign, f"\\u{ord(sign):04x}")
    return encoded
