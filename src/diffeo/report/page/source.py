"""The content of a page with its frames as numbers, ready for the sections."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diffeo.report.page.coded import Coded, code
from diffeo.report.page.content import Array, ReportContent

__all__ = ["Source", "worst"]


@dataclass(frozen=True)
class Source:
    """What every section is given.

    Attributes:
        content: as given.
        coded: names and labels of the columns.
        data: (rows, columns) of ``coded``, or None where there are none; likewise the others.
        samples: see ``data``.
        training: see ``data``.
    """

    content: ReportContent
    coded: Coded
    data: Array | None
    samples: Array | None
    training: Array | None

    @classmethod
    def of(cls, content: ReportContent) -> Source:
        """Check ``content`` and turn its frames into numbers."""
        content.check()
        frames = [content.data, content.samples, content.training]
        there = [frame for frame in frames if frame is not None]
        columns = content.columns if there else ()
        coded = code(columns, *there)
        tables = iter(coded.tables)
        return cls(content, coded, *(None if f is None else next(tables) for f in frames))


def worst(badness: Array, most: int) -> list[int]:
    """Indices of the ``most`` largest values, in their own order."""
    return sorted(np.argsort(-np.nan_to_num(badness), kind="stable")[:most].tolist())
