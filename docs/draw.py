"""Runs the Python code of the pages; run as a script, it draws the pictures in docs/img again."""

from __future__ import annotations

import os
import re
from pathlib import Path

import matplotlib

HERE = Path(__file__).resolve().parent
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def pages() -> list[Path]:
    """Every page that has code."""
    return [page for page in sorted(HERE.glob("*.md")) if BLOCK.search(page.read_text("utf-8"))]


def run(page: Path) -> None:
    """Run a page's blocks in one namespace; pictures go to img/ in the working directory."""
    text = page.read_text("utf-8")
    Path("img").mkdir(exist_ok=True)
    namespace: dict[str, object] = {"__name__": page.stem}
    for block in BLOCK.finditer(text):
        # blank lines in front, so that a traceback shows the line of the page
        line = text[: block.start(1)].count("\n")
        code = compile("\n" * line + block.group(1), str(page), "exec")
        exec(code, namespace)  # noqa: S102 - our own pages


if __name__ == "__main__":
    matplotlib.use("Agg")
    os.chdir(HERE)
    for page in pages():
        print(page.name)
        run(page)
