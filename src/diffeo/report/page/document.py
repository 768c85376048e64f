"""One HTML file of sections that needs nothing else."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib import resources

from diffeo.errors import import_extra
from diffeo.report.page.html import Section, text

__all__ = ["document"]


def document(
    title: str, sections: Sequence[Section], warnings: Sequence[str] = (), *, quiet: bool = False
) -> str:
    """The page of these sections, warnings first: these, and then those of the sections.

    A ``quiet`` page, which judges nothing, does not say that there are none.

    Raises:
        MissingExtraError: plotly is not installed.
    """
    said: list[tuple[str | None, str]] = [(None, words) for words in warnings]
    said += [(section.anchor, words) for section in sections for words in section.warnings]
    body = "".join(
        [
            f"<h1>{text(title)}</h1>",
            "" if quiet and not said else _warnings(said),
            _contents(sections) if len(sections) > 1 else "",
            "<noscript><p>The plots need JavaScript; words and tables do not.</p></noscript>",
            "<main>",
            *(_section(section) for section in sections),
            "</main>",
        ]
    )
    return _written(title, body)


def _warnings(warnings: Sequence[tuple[str | None, str]]) -> str:
    if not warnings:
        return (
            '<section class="warnings none" aria-labelledby="warnings">'
            '<h2 id="warnings">No warnings</h2><p>None of the checks below found a fault.</p>'
            "</section>"
        )
    items = "".join(
        f"<li>{text(words)}{'' if anchor is None else _more(anchor)}</li>"
        for anchor, words in warnings
    )
    return (
        '<section class="warnings some" aria-labelledby="warnings">'
        f'<h2 id="warnings">Warnings</h2><ul>{items}</ul></section>'
    )


def _more(anchor: str) -> str:
    return f' <a href="#{anchor}">More</a>'


def _contents(sections: Sequence[Section]) -> str:
    items = "".join(f'<li><a href="#{s.anchor}">{text(s.title)}</a></li>' for s in sections)
    return f'<nav aria-label="Contents"><ul>{items}</ul></nav>'


def _section(section: Section) -> str:
    heading = f"{section.anchor}-heading"
    return (
        f'<section id="{section.anchor}" aria-labelledby="{heading}">'
        f'<h2 id="{heading}">{text(section.title)}</h2>{section.html}</section>'
    )


def _written(title: str, body: str) -> str:
    scripts = [import_extra("plotly.offline", "report").get_plotlyjs(), _resource("page.js")]
    # only these two scripts may run, and nothing may be fetched, whatever the data hold
    hashes = " ".join(f"'sha256-{_digest(script)}'" for script in scripts)
    policy = (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:"
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{text(title)}</title><style>{_resource('page.css')}</style></head>"
        f"<body>{body}{''.join(f'<script>{script}</script>' for script in scripts)}</body></html>\n"
    )


def _resource(name: str) -> str:
    return (resources.files(__package__) / name).read_text("utf-8")


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
