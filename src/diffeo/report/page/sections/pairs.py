"""Pairwise densities: data beside samples."""

from __future__ import annotations

from typing import Any

import numpy as np

from diffeo.report.page.checks.dependence import (
    mutual_information,
    pairs_by_dependence,
    shared_bins,
)
from diffeo.report.page.checks.histogram import bin_edges
from diffeo.report.page.content import Array
from diffeo.report.page.html import Section, grid, paragraphs
from diffeo.report.page.plots import DATA, SAMPLES, figure, in_plot, plot
from diffeo.report.page.source import Source
from diffeo.report.page.thresholds import MOST_PAIRS
from diffeo.report.page.words import TIMES

__all__ = ["pairs"]

CELLS = 28
MOST_LABELS = 12
# half of the width each, with a gap
PANELS = (("x", [0.0, 0.47]), ("x2", [0.53, 1.0]))


def pairs(source: Source) -> Section | None:
    """Heatmaps of the most dependent pairs of columns."""
    data, samples, discrete = source.data, source.samples, source.coded.discrete
    if data is None or samples is None or data.shape[1] < 2:
        return None
    ranked = pairs_by_dependence(data, discrete, seed=source.content.seed)
    shown = ranked[:MOST_PAIRS]
    words = (
        f"The {len(shown)} most dependent of {len(ranked)} pairs of columns"
        if len(ranked) > len(shown)
        else "All pairs of columns"
    )
    body = paragraphs(
        f"{words}, data on the left and samples on the right of each plot, on the same scale. "
        f"The colour is as the square root of the share of rows. "
        f"Mutual information is 0 where columns are independent."
    ) + grid(_plot(source, data, samples, i, j) for i, j, _ in shown)
    return Section("pairs", "Pairs of columns", body)


def _plot(source: Source, data: Array, samples: Array, i: int, j: int) -> str:
    title = f"{source.tagged(i)} {TIMES} {source.tagged(j)}"
    label = f"Data (left) and samples (right) of {source.named(i)} and {source.named(j)}"
    return plot(
        _heatmaps(source, (data, samples), i, j), label, title=title, caption=_caption(source, i, j)
    )


def _caption(source: Source, i: int, j: int) -> str:
    data, samples = source.data, source.samples
    assert data is not None
    assert samples is not None
    # the same bins for both, or the numbers could not be compared
    both = np.concatenate([data, samples])
    binned = [shared_bins(both[:, k], bool(source.coded.discrete[k])) for k in (i, j)]
    of_data, of_samples = (
        mutual_information(*((bins[rows], n) for bins, n in binned))
        for rows in (slice(len(data)), slice(len(data), None))
    )
    return f"Mutual information {of_data:.2f} nats, in samples {of_samples:.2f}."


def _heatmaps(source: Source, tables: tuple[Array, Array], i: int, j: int) -> dict[str, Any]:
    across, up = (_Axis.of(source, [table[:, k] for table in tables], k) for k in (i, j))
    shares = [across.joint(up, table[:, i], table[:, j]) for table in tables]
    top = max(float(np.sqrt(share.max())) for share in shares) or 1.0
    traces = [
        {
            "type": "heatmap",
            "x": across.edges,
            "y": up.edges,
            "z": np.sqrt(share).astype(np.float32),
            "customdata": share.astype(np.float32),
            "zmin": 0,
            "zmax": top,
            "xaxis": panel,
            # from nothing, so that empty cells are the page's own colour, dark or light
            "colorscale": [[0, _clear(colour)], [1, colour]],
            "showscale": False,
            "name": name,
            "hovertemplate": "%{customdata:.2%}",
        }
        for share, name, colour, (panel, _) in zip(
            shares, ("data", "samples"), (DATA, SAMPLES), PANELS, strict=True
        )
    ]
    layout = {
        f"xaxis{panel[1:]}": {
            "domain": domain,
            "nticks": 3,
            "tickangle": 0,
            "title": {"text": name},
            **across.ticks,
        }
        for (panel, domain), name in zip(PANELS, ("data", "samples"), strict=True)
    }
    drawn = figure(*traces, yaxis={"nticks": 5, "automargin": True, **up.ticks})
    return {**drawn, "layout": {**drawn["layout"], **layout}}


def _clear(colour: str) -> str:
    red, green, blue = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
    return f"rgba({red},{green},{blue},0)"


class _Axis:
    """Bins of one column for both tables."""

    def __init__(self, edges: Array, ticks: dict[str, Any], codes: Array | None) -> None:
        self.edges = edges
        self.ticks = ticks
        self.codes = codes

    @classmethod
    def of(cls, source: Source, columns: list[Array], k: int) -> _Axis:
        seen = [values[~np.isnan(values)] for values in columns]
        labels = source.coded.labels[k]
        if labels:
            return cls._of_labels(np.concatenate(seen).astype(np.int64), labels)
        column = source.coded.columns[k]
        edges, logarithmic = bin_edges(
            seen, column.step, column.offset, CELLS, column.kind == "circular"
        )
        if source.coded.dates[k]:
            return cls(edges, _date_ticks(edges), None)
        return cls(edges, {"type": "log"} if logarithmic else {}, None)

    @classmethod
    def _of_labels(cls, seen: Array, labels: tuple[str, ...]) -> _Axis:
        counts = np.bincount(seen, minlength=len(labels))
        codes = np.sort(np.argsort(-counts, kind="stable")[:MOST_LABELS])
        edges = np.arange(len(codes) + 1) - 0.5
        ticks = {
            "tickvals": list(range(len(codes))),
            "ticktext": [in_plot(labels[code], 10) for code in codes],
        }
        return cls(edges, ticks, codes)

    def place(self, values: Array) -> Array:
        """Values where ``edges`` expect them; NaN for holes and for labels not drawn."""
        if self.codes is None:
            return values
        places = np.full(
            int(max(np.nanmax(values, initial=0), self.codes.max(initial=0))) + 1, np.nan
        )
        places[self.codes] = np.arange(len(self.codes))
        hole = np.isnan(values)
        found = places[np.where(hole, 0, values).astype(np.int64)]
        return np.where(hole, np.nan, found)

    def joint(self, up: _Axis, x: Array, y: Array) -> Array:
        """Shares (bins of ``up``, bins of this axis) of the rows that show both."""
        px, py = self.place(x), up.place(y)
        there = ~(np.isnan(px) | np.isnan(py))
        counts = np.histogram2d(py[there], px[there], bins=(up.edges, self.edges))[0]
        return np.asarray(counts / max(int(there.sum()), 1))


def _date_ticks(edges: Array) -> dict[str, Any]:
    places = np.linspace(edges[0], edges[-1], 5)[1:-1]
    texts = [str(m)[:10] for m in (places * 1e3).astype("datetime64[ms]")]
    return {"tickvals": places.tolist(), "ticktext": texts}
