"""Every column's data against samples."""

from __future__ import annotations

from typing import Any

import numpy as np

from diffeo.report.page.checks.histogram import Histogram, histogram
from diffeo.report.page.checks.marginals import Difference, difference
from diffeo.report.page.content import Array
from diffeo.report.page.html import Section, grid, paragraphs, table, text
from diffeo.report.page.plots import DATA, SAMPLES, figure, in_plot, plot
from diffeo.report.page.source import Source, worst
from diffeo.report.page.thresholds import (
    CLEAR_DISTANCE,
    FALSE_ALARM,
    MOST_PLOTS,
    MOST_TABLE_ROWS,
)
from diffeo.report.page.words import count, listed, number, p_value, percent, plural

__all__ = ["columns"]

MOST_BARS = 12
# an atom taller than this many times the tallest bin is cut off, and its share said in words
TALLEST_ATOM = 1.5


def columns(source: Source) -> Section | None:
    """A histogram or bars of each column, and how far the samples are from the data."""
    data, samples, coded = source.data, source.samples, source.coded
    if data is None or samples is None or not coded.columns:
        return None
    found = [
        difference(data[:, j], samples[:, j], bool(coded.discrete[j])) for j in range(data.shape[1])
    ]
    distances = np.array([each.distance for each in found])
    clear = [j for j, each in enumerate(found) if _is_clear(each, len(found))]
    drawn = worst(distances, MOST_PLOTS)
    tabled = worst(distances, MOST_TABLE_ROWS)
    rows = [_row(source, j, found[j], j in clear, (data, samples)) for j in tabled]
    body = (
        paragraphs(_words(source, clear), _left_out(len(drawn), len(found)))
        + _legend()
        + grid(_plot(source, j, (data[:, j], samples[:, j])) for j in drawn)
        + table(
            "Distance of samples from data, column by column",
            ("column", "verdict", "distance", "p-value", "holes in data", "holes in samples"),
            rows,
            words=2,
        )
        + paragraphs(
            "The distance is the largest gap between the distribution functions, for labels half "
            "the sum of the gaps of their shares: 0 is none, 1 is complete. Holes are left out."
        )
    )
    warnings: tuple[str, ...] = ()
    if clear:
        names = [source.named(j) for j in sorted(clear, key=lambda j: -distances[j])]
        warnings = (
            f"Samples differ clearly from the data in {listed(names)} "
            f"(distance above {CLEAR_DISTANCE:g}).",
        )
    return Section("columns", "Columns: data and samples", body, warnings)


def _is_clear(found: Difference, tests: int) -> bool:
    return found.distance > CLEAR_DISTANCE and found.p_value * tests < FALSE_ALARM


def _words(source: Source, clear: list[int]) -> str:
    data, samples = source.data, source.samples
    assert data is not None
    assert samples is not None
    width = data.shape[1]
    head = f"{plural(len(data), 'row')} of data and {plural(len(samples), 'sample')}. "
    if not clear:
        return head + "No column of the samples differs clearly from the data."
    return head + f"{count(len(clear))} of {plural(width, 'column')} differ clearly."


def _left_out(drawn: int, width: int) -> str:
    if drawn == width:
        return ""
    return (
        f"The {drawn} of {width} columns whose samples differ most are drawn; "
        f"the table has {'all' if width <= MOST_TABLE_ROWS else f'the {MOST_TABLE_ROWS} worst'}."
    )


def _legend() -> str:
    return (
        '<p class="legend"><span class="key data"></span> data '
        '<span class="key samples"></span> samples</p>'
    )


def _row(
    source: Source, j: int, found: Difference, clear: bool, tables: tuple[Array, Array]
) -> tuple[str, ...]:
    holes = [percent(float(np.isnan(x[:, j]).mean())) for x in tables]
    if clear:
        verdict = "<strong>clearly different</strong>"
    else:
        verdict = "small difference" if found.p_value < FALSE_ALARM else "no difference found"
    return (
        source.tagged(j),
        verdict,
        f"{found.distance:.3f}",
        text(p_value(found.p_value)),
        *holes,
    )


def _plot(source: Source, j: int, pair: tuple[Array, Array]) -> str:
    coded = source.coded
    column = coded.columns[j]
    label = f"Shares of the values of {column.name} among data and samples"
    if coded.discrete[j]:
        drawn, caption = _bars(coded.labels[j], pair)
    else:
        binned = histogram(
            *pair,
            step=column.step,
            offset=column.offset,
            atoms=column.atoms,
            linear=column.kind == "circular",
        )
        drawn, caption = _steps(binned, bool(coded.dates[j]))
    return plot(drawn, label, title=source.tagged(j), caption=caption)


def _bars(labels: tuple[str, ...], pair: tuple[Array, Array]) -> tuple[dict[str, Any], str]:
    """Bars of the most frequent labels; the others as one."""
    shares = []
    for values in pair:
        codes = values[~np.isnan(values)].astype(np.int64)
        shares.append(np.bincount(codes, minlength=len(labels)) / max(len(codes), 1))
    shown = list(range(len(labels)))
    names = [in_plot(label, 14) for label in labels]
    if len(labels) > MOST_BARS:
        shown = worst(shares[0] + shares[1], MOST_BARS - 1)
        names = [*(names[i] for i in shown), "others"]
    heights = [s[shown] for s in shares]
    if len(shown) < len(labels):
        heights = [np.append(h, 1 - h.sum()) for h in heights]
    traces = [
        {
            "type": "bar",
            "x": list(range(len(names))),
            "y": height,
            "name": name,
            "marker": {"color": colour},
            "customdata": names,
            "hovertemplate": "%{customdata}: %{y:.2%}",
        }
        for height, name, colour in zip(heights, ("data", "samples"), (DATA, SAMPLES), strict=True)
    ]
    # positions rather than names, so that labels that look alike stay apart
    axis = {"tickvals": list(range(len(names))), "ticktext": names, "automargin": True}
    drawn = figure(*traces, xaxis=axis, yaxis=_share_axis(), barmode="group", bargap=0.25)
    hidden = len(labels) - len(shown)
    return drawn, f"{count(hidden)} rarer labels are drawn as one." if hidden else ""


def _share_axis() -> dict[str, Any]:
    return {"tickformat": ".0%", "rangemode": "tozero", "nticks": 5}


def _steps(binned: Histogram, dates: bool) -> tuple[dict[str, Any], str]:
    """Data as a filled histogram, samples as its outline; atoms as stems."""
    edges = _drawable(binned.edges, dates)
    traces: list[dict[str, Any]] = [
        {
            "type": "scatter",
            "mode": "lines",
            "x": edges,
            "y": np.append(shares, shares[-1]),
            "line": {"shape": "hv", "color": colour, "width": width},
            "name": name,
            "hovertemplate": "%{x}: %{y:.2%}",
            **({"fill": "tozeroy", "fillcolor": "rgba(44,111,187,0.3)"} if name == "data" else {}),
        }
        for shares, name, colour, width in zip(
            binned.shares, ("data", "samples"), (DATA, SAMPLES), (1, 2), strict=True
        )
    ]
    traces += _stems(binned, dates)
    tallest = max(float(shares.max()) for shares in binned.shares)
    atoms = max((max(shares) for _, shares in binned.atoms), default=0.0)
    top = tallest * TALLEST_ATOM if tallest > 0 and atoms > tallest * TALLEST_ATOM else None
    vertical = _share_axis() | ({} if top is None else {"range": [0, top]})
    across = {"type": "log" if binned.logarithmic else "date" if dates else "linear", "nticks": 5}
    return figure(*traces, xaxis=across, yaxis=vertical), _caption(binned)


def _drawable(values: Array, dates: bool) -> Any:
    if not dates:
        return values
    return [str(moment) for moment in (values * 1e3).astype("datetime64[ms]")]


def _stems(binned: Histogram, dates: bool) -> list[dict[str, Any]]:
    stems: list[dict[str, Any]] = []
    for which, (name, colour) in enumerate((("data", DATA), ("samples", SAMPLES))):
        for atom, shares in binned.atoms:
            at = _drawable(np.array([atom, atom]), dates)
            stems.append(
                {
                    "type": "scatter",
                    "mode": "lines+markers",
                    "x": at,
                    "y": [0, shares[which]],
                    "line": {"color": colour, "width": 5 - 3 * which},
                    "marker": {"size": [0, 9 - 3 * which]},
                    "name": f"{name}, single value",
                    "hovertemplate": "%{x}: %{y:.2%}",
                }
            )
    return stems


def _caption(binned: Histogram) -> str:
    atoms = "; ".join(
        f"exactly {number(atom)}: {percent(data)} of data, {percent(samples)} of samples"
        for atom, (data, samples) in binned.atoms
    )
    outside = ""
    if max(binned.outside) > 0:
        data, samples = binned.outside
        outside = f"Not drawn: {percent(data)} of data, {percent(samples)} of samples further out."
    logarithmic = "Logarithmic axis." if binned.logarithmic else ""
    return " ".join(part for part in (f"{atoms}." if atoms else "", logarithmic, outside) if part)
