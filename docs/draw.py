"""Runs the Python code of the pages; run as a script, it draws the pictures in docs/img again."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from types import ModuleType

import matplotlib

HERE = Path(__file__).resolve().parent
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def pages() -> list[Path]:
    """Every page that has code."""
    return [page for page in sorted(HERE.glob("*.md")) if BLOCK.search(page.read_text("utf-8"))]


def run(page: Path) -> None:
    """Run a page's blocks as one module; pictures go to img/ in the working directory."""
    text = page.read_text("utf-8")
    Path("img").mkdir(exist_ok=True)
    # torch.compile looks for the globals of what it traces in a module
    module = sys.modules[page.stem] = ModuleType(page.stem)
    for block in BLOCK.finditer(text):
        # blank lines in front, so that a traceback shows the line of the page
        line = text[: block.start(1)].count("\n")
        code = compile("\n" * line + block.group(1), str(page), "exec")
        exec(code, module.__dict__)  # noqa: S102 - our own pages


if __name__ == "__main__":
    matplotlib.use("Agg")
    os.chdir(HERE)
    for page in pages():
        print(page.name)
        run(page)
