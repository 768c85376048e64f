"""Small tables and images, small models of them, and a way to run the command in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from cli_images import write_config, write_images
from cli_tables import CONFIG, values, write_csv

from diffeo.cli.main import main


class Result(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """``run("fit", path, ...)``: exit code and what was printed."""

    def command(*arguments: object) -> Result:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        return Result(code, *capsys.readouterr())

    return command


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with table.csv (a, b, c), config.json, plain.safetensors and given.safetensors."""
    folder = tmp_path_factory.mktemp("made")
    table = write_csv(folder / "table.csv", values(), "a,b,c")
    config = folder / "config.json"
    config.write_text(json.dumps(CONFIG))
    plain = ["fit", table, "-o", folder / "plain.safetensors"]
    given = ["fit", table, "-o", folder / "given.safetensors", "--context", "c,a"]
    for arguments in (plain, given):
        more = ["--quiet", "--config", config, "--model", "nsf"]
        assert main([str(a) for a in [*arguments, *more]]) == 0
    return folder


@pytest.fixture(scope="session")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with x.npz, new.npz, tiny.json, classes.safetensors and plain.safetensors."""
    folder = tmp_path_factory.mktemp("shown")
    data, config = write_images(folder / "x.npz"), write_config(folder / "tiny.json")
    write_images(folder / "new.npz", seed=1)
    fit = ["fit", str(data), "--config", str(config), "--quiet", "-o"]
    assert main([*fit, str(folder / "classes.safetensors")]) == 0
    assert main([*fit, str(folder / "plain.safetensors"), "--unconditional"]) == 0
    return folder
