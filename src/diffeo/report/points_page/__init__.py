"""Clouds that can be turned, and the report on a model of them: self-contained pages.

Needs plotly (``diffeo[report]``).
"""

from __future__ import annotations

from diffeo.report.points_page.content import PointReportContent, ShownCloud
from diffeo.report.points_page.page import (
    render_point_report,
    render_viewer,
    write_point_report,
    write_viewer,
)

__all__ = [
    "PointReportContent",
    "ShownCloud",
    "render_point_report",
    "render_viewer",
    "write_point_report",
    "write_viewer",
]
