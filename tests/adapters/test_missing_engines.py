"""Optional engines are imported when they are needed, and missed by the name of their extra."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from diffeo.adapters.numpyro import NumPyroTarget
from diffeo.adapters.pymc import PyMCTarget
from diffeo.errors import MissingExtraError
from diffeo.inference.arviz import to_arviz

ENGINES = ("pyro", "numpyro", "jax", "pymc", "pytensor", "arviz")


def test_none_is_imported_before_it_is_needed():
    code = (
        "import sys, diffeo, diffeo.adapters.numpyro, diffeo.adapters.pymc, diffeo.inference.arviz;"
        f"print([name for name in {ENGINES} if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("package", "extra", "use"),
    [
        ("jax", "numpyro", lambda: NumPyroTarget(print)),
        ("numpyro", "numpyro", lambda: NumPyroTarget(print)),
        ("pymc", "pymc", lambda: PyMCTarget(None)),
        ("arviz", "bayes", lambda: to_arviz({"x": [1.0]})),
    ],
)
def test_the_error_names_the_extra(package, extra, use, monkeypatch):
    if package == "numpyro":
        pytest.importorskip("jax")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"pip install 'diffeo\[{extra}\]'"):
        use()


def test_the_adapters_of_pyro_need_it_on_import(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "pyro"]:
        monkeypatch.delitem(sys.modules, name)
    for name in [name for name in sys.modules if name.startswith("diffeo.adapters.pyro")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyro", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'diffeo\[pyro\]'"):
        importlib.import_module("diffeo.adapters.pyro")
