"""The sections that are mostly pictures."""

from __future__ import annotations

from diffeo.report.images_page.content import ImageReportContent
from diffeo.report.images_page.pictures import figures
from diffeo.report.page.html import Section, paragraphs

__all__ = ["directions", "paths", "samples"]


def samples(content: ImageReportContent) -> Section | None:
    """Grids of samples at several temperatures."""
    if not content.samples:
        return None
    words = (
        "Images drawn from the model. Its noise is scaled by the temperature: 1 draws from the "
        "model itself, less makes images more typical and more alike."
    )
    return Section("samples", "Samples", paragraphs(words) + figures(tuple(content.samples)))


def paths(content: ImageReportContent) -> Section | None:
    """From one real image to another."""
    if not content.paths:
        return None
    words = (
        "Each row leads from a real image, on the left, to another, on the right. Both are taken "
        "to noise; in between stands what the model makes of the noise on the arc between them. "
        "Good models pass through images that could be real, not through two at once."
    )
    return Section(
        "paths", "Between real images", paragraphs(words) + figures(tuple(content.paths))
    )


def directions(content: ImageReportContent) -> Section | None:
    """What the mean difference of two classes does to images."""
    if not content.directions:
        return None
    words = (
        "The noise that belongs to images of a class has a mean. Adding the difference between the "
        "means of two classes, more and more of it from left to right, should make an image of the "
        "first class more like the second."
    )
    body = paragraphs(words) + figures(tuple(content.directions))
    return Section("directions", "What makes a class", body)
