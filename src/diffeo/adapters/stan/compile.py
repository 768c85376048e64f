"""From a Stan program to a shared library, by the compiler of Stan that httpstan brings."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from diffeo.errors import TargetError, import_extra

__all__ = ["compiled", "read_program"]

_DOORS = Path(__file__).with_name("model.cpp")
_FLAGS = [
    "-O3",
    "-std=c++14",
    "-w",
    "-fPIC",
    "-pthread",
    # two programs in one process must not share Stan's globals
    "-fvisibility=hidden",
    "-DBOOST_DISABLE_ASSERTS",
    "-DBOOST_PHOENIX_NO_VARIADIC_EXPRESSION",
    "-DSTAN_THREADS",
    "-D_REENTRANT",
]
_LIBRARIES = ["sundials_cvodes", "sundials_idas", "sundials_nvecserial", "tbb"]


def read_program(program: str | Path) -> tuple[str, Path | None]:
    """A program's text, and its file where it came from one.

    Raises:
        TargetError: a file that cannot be read.
    """
    if isinstance(program, str) and not _names_file(program):
        return program, None
    path = Path(program)
    try:
        return path.read_text(encoding="utf-8"), path
    except (OSError, UnicodeDecodeError) as error:
        raise TargetError(f"cannot read the Stan program {str(path)!r}: {error}") from error


def compiled(program: str | Path) -> Path:
    """The shared library of a program: from the cache, or compiled now, which takes about 25 s.

    The cache is ``$XDG_CACHE_HOME/diffeo/stan``, by default in ``~/.cache``. A library is known by
    a hash of all that it was made from.

    Raises:
        MissingExtraError: httpstan is not installed.
        TargetError: stanc refuses the program, or there is no C++ compiler or it fails.
    """
    root = _httpstan()
    source = _translated(program, root / "stanc") + "\n" + _DOORS.read_text(encoding="utf-8")
    compiler = _compiler()
    arguments = _arguments(root)
    version = _run([*compiler, "--version"]).stdout
    made_from = "\0".join([source, version, *arguments])
    name = hashlib.blake2b(made_from.encode(), digest_size=16).hexdigest()
    library = _cache() / f"{name}.so"
    if not library.exists():
        _build(source, [*compiler, *arguments], library)
    return library


def _names_file(program: str) -> bool:
    return program.endswith(".stan") and "\n" not in program


def _httpstan() -> Path:
    """The folder with stanc, the headers and the libraries."""
    module = import_extra("httpstan", "stan")
    assert module.__file__ is not None
    return Path(module.__file__).parent


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "diffeo" / "stan"


def _compiler() -> list[str]:
    """The command of the C++ compiler, which may be of several words, as "ccache g++"."""
    chosen = shlex.split(os.environ.get("CXX", ""))
    for command in [chosen] if chosen else [["c++"], ["g++"], ["clang++"]]:
        if shutil.which(command[0]):
            return command
    raise TargetError(
        f"a Stan program needs a C++ compiler, and {chosen[0] if chosen else 'c++'!r} is not "
        f"there: install g++ or clang++, or name one in the environment variable CXX"
    )


def _arguments(root: Path) -> list[str]:
    # httpstan's libraries for Linux were built with the older strings of libstdc++
    strings = ["-D_GLIBCXX_USE_CXX11_ABI=0"] if sys.platform == "linux" else []
    libraries = [f"-l{name}" for name in _LIBRARIES]
    where = [f"-I{root / 'include'}", f"-L{root / 'lib'}", f"-Wl,-rpath,{root / 'lib'}"]
    return ["-shared", *_FLAGS, *strings, *where, "program.cpp", *libraries]


def _run(command: list[str], folder: str | None = None) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603
            command, cwd=folder, capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise TargetError(f"cannot run {command[0]!r}: {error}") from error


def _translated(program: str | Path, stanc: Path) -> str:
    """C++ of a Stan program."""
    text, path = read_program(program)
    with tempfile.TemporaryDirectory(prefix="diffeo-stan-") as folder:
        copy = Path(folder, "program.stan")
        copy.write_text(text, encoding="utf-8")
        name = path.name if path else copy.name
        # from the program's own folder: a path in the C++ would make it another program
        options = [f"--filename-in-msg={name}", "--name=program", "--include-paths=."]
        where = str(path.resolve().parent) if path else folder
        result = _run([str(stanc), "--print-cpp", *options, str(copy)], where)
    if result.returncode:
        raise TargetError(f"Stan refuses the program:\n{result.stderr.strip()}")
    return result.stdout


def _build(source: str, command: list[str], library: Path) -> None:
    try:
        library.parent.mkdir(parents=True, exist_ok=True)
        # in the same file system, so that another process sees all of the library or nothing
        with tempfile.TemporaryDirectory(dir=library.parent) as folder:
            Path(folder, "program.cpp").write_text(source, encoding="utf-8")
            result = _run([*command, "-o", library.name], folder)
            if result.returncode:
                raise TargetError(
                    f"{command[0]} cannot compile the Stan program:\n"
                    f"{result.stderr.strip()[-2000:]}"
                )
            os.replace(Path(folder, library.name), library)
    except OSError as error:
        raise TargetError(
            f"cannot write compiled Stan programs to {str(library.parent)!r}: {error}; another "
            f"folder can be named in the environment variable XDG_CACHE_HOME"
        ) from error
