"""Is the model invertible in the arithmetic that it runs in?"""

from __future__ import annotations

from diffeo.report.images_page.content import ImageReportContent
from diffeo.report.page.html import Section, paragraphs
from diffeo.report.page.words import count, number, percent

__all__ = ["round_trip"]

# shares of the range of levels
LARGE = 1e-3


def round_trip(content: ImageReportContent) -> Section | None:
    """The error of images that were taken to noise and back."""
    found = content.round_trip
    if found is None:
        return None
    worst = float(found.errors.max())
    words = (
        f"{count(len(found.errors))} images were taken to noise and back in {found.precision}. "
        f"The largest error of a pixel is {number(worst, 2)} of the range of levels; "
        f"{percent(found.changed)} of the pixels came back as another level."
    )
    warnings: tuple[str, ...] = ()
    if not worst <= LARGE:
        warnings = (
            f"The model is not invertible to {number(LARGE)} in {found.precision}: its bits per "
            f"dimension and its samples need not belong together. Train with a smaller learning "
            f"rate, or use float64.",
        )
    return Section("round-trip", "To noise and back", paragraphs(words, *warnings), warnings)
