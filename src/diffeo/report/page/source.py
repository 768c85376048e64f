"""The content of a page with its frames as numbers, ready for the sections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from diffeo.report.page.coded import Coded, code
from diffeo.report.page.content import Array, ReportContent
from diffeo.report.page.html import name_tag
from diffeo.report.page.words import brief, short

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
        brief: the names of the columns, shortened where they are long, and still different.
    """

    content: ReportContent
    coded: Coded
    data: Array | None
    samples: Array | None
    training: Array | None
    brief: Mapping[str, str]

    @classmethod
    def of(cls, content: ReportContent) -> Source:
        """Check ``content`` and turn its frames into numbers."""
        content.check()
        frames = [content.data, content.samples, content.training]
        there = [frame for frame in frames if frame is not None]
        columns = content.columns if there else ()
        coded = code(columns, *there)
        tables = iter(coded.tables)
        data, samples, training = (None if f is None else next(tables) for f in frames)
        names = brief([column.name for column in content.columns])
        return cls(content, coded, data, samples, training, names)

    def named(self, j: int) -> str:
        """The name of column ``j``, shortened."""
        return self.brief[self.content.columns[j].name]

    def tag(self, name: str) -> str:
        """A name as HTML."""
        return name_tag(name, self.brief.get(name, short(name)))

    def tagged(self, j: int) -> str:
        """The name of column ``j`` as HTML."""
        return self.tag(self.content.columns[j].name)


def worst(badness: Array, most: int) -> list[int]:
    """Indices of the ``most`` largest values, in their own order."""
    return sorted(np.argsort(-np.nan_to_num(badness), kind="stable")[:most].tolist())
