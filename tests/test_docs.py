"""The pages' code and the docstrings' examples run."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import inspect
import pkgutil
import re
from pathlib import Path
from types import ModuleType

import matplotlib
import pytest
import torch
from matplotlib import pyplot

import diffeo

DOCS = Path(__file__).resolve().parent.parent / "docs"
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def _draw() -> ModuleType:
    spec = importlib.util.spec_from_file_location("draw", DOCS / "draw.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


DRAW = _draw()


def _pictures(page: Path) -> set[str]:
    return set(re.findall(r"!\[[^\]]+\]\((img/[^)]+)\)", page.read_text("utf-8")))


@pytest.mark.parametrize("page", DRAW.pages(), ids=lambda page: page.stem)
def test_a_page_runs_and_draws_the_pictures_that_it_shows(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    matplotlib.use("Agg")
    state = torch.random.get_rng_state()
    try:
        DRAW.run(page)
    finally:
        pyplot.close("all")
        torch.random.set_rng_state(state)
    drawn = {f"img/{picture.name}" for picture in (tmp_path / "img").iterdir()}
    assert drawn == _pictures(page)


def test_every_picture_of_the_pages_is_there_and_none_besides():
    shown = set().union(*(_pictures(page) for page in DOCS.glob("*.md")))
    assert shown == {f"img/{picture.name}" for picture in (DOCS / "img").iterdir()}


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.stem)
def test_links_between_pages_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text("utf-8")):
        assert (DOCS / target).exists(), target


@pytest.mark.parametrize("room", ["univariates", "transforms", "bases", "surjections", "models"])
def test_the_page_of_parts_names_every_public_part(room):
    page = (DOCS / "parts.md").read_text("utf-8")
    module = importlib.import_module(f"diffeo.{room}")
    classes = [name for name in module.__all__ if inspect.isclass(getattr(module, name))]
    assert [name for name in classes if f"`{name}`" not in page] == []


def _modules() -> list[str]:
    found = pkgutil.walk_packages(diffeo.__path__, "diffeo.")
    return [
        "diffeo",
        *(module.name for module in found if not module.name.endswith(("__main__", "._native"))),
    ]


def _examples(name: str) -> list[doctest.DocTest]:
    module = importlib.import_module(name)
    return [test for test in doctest.DocTestFinder().find(module, name) if test.examples]


@pytest.mark.parametrize("name", _modules())
def test_docstring_examples_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for example in _examples(name):
        state = torch.random.get_rng_state()
        report: list[str] = []
        runner = doctest.DocTestRunner(optionflags=FLAGS)
        runner.run(example, out=report.append)
        torch.random.set_rng_state(state)
        assert runner.summarize(verbose=False).failed == 0, "".join(report)


def test_the_search_for_examples_finds_some():
    assert len(_examples("diffeo.flow")) > 0
    assert len(_examples("diffeo.models.nsf")) > 0
