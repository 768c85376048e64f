"""The report on a model of images: one self-contained page, drawn from plain arrays.

Needs plotly (``diffeo[report]``) and Pillow (``diffeo[images]``).
"""

from __future__ import annotations

from diffeo.report.images_page.content import (
    ImageReportContent,
    Neighbours,
    RoundTrip,
    Shown,
    Tightened,
)
from diffeo.report.images_page.page import render_image_report, write_image_report

__all__ = [
    "ImageReportContent",
    "Neighbours",
    "RoundTrip",
    "Shown",
    "Tightened",
    "render_image_report",
    "write_image_report",
]
