"""What is imported when: nothing heavy for the command's help, everything in any order."""

from __future__ import annotations

import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import diffeo

HEAVY = ("torch", "numpy", "pandas", "pyarrow", "sklearn", "matplotlib", "optuna")


def _run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom diffeo.cli.main import main\n"
        "assert main(['--help']) == main(['fit', '--help']) == 0\n"
        "assert main(['fit']) == main(['fti']) == 2\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    assert _run(code).splitlines()[-1] == "[]"


def test_names_are_found_when_they_are_used() -> None:
    code = (
        "import sys, diffeo\nassert 'torch' not in sys.modules\n"
        "assert diffeo.errors.DataError\nassert 'torch' not in sys.modules\n"
        "from diffeo import *\nprint(NSF.__name__, diffeo.tabular.tune.__name__)"
    )
    assert _run(code).split() == ["NSF", "tune"]
    assert set(diffeo.__all__) <= set(dir(diffeo))
    assert all(hasattr(diffeo, name) for name in diffeo.__all__)
    with pytest.raises(AttributeError, match="module 'diffeo' has no attribute 'NFS'"):
        diffeo.NFS  # noqa: B018


def test_a_file_finds_its_classes_whatever_was_imported_before(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    diffeo.NSF(2, layers=1, hidden=[8]).save(path)
    code = f"from diffeo import load\nprint(type(load({str(path)!r})).__name__)"
    assert _run(code).strip() == "NSF"


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_every_module_can_be_the_first_one_imported() -> None:
    found = [module.name for module in pkgutil.iter_modules(diffeo.__path__, "diffeo.")]
    code = (
        "import os, torch, numpy\n"
        f"for name in {found}:\n"
        "    if not (process := os.fork()):\n"
        "        __import__(name)\n"
        "        os._exit(0)\n"
        "    assert os.waitpid(process, 0)[1] == 0, name\n"
    )
    _run(code)
