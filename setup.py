"""Builds the optional kernels; everything else about the package stands in pyproject.toml."""

import sys
from pathlib import Path

from setuptools import Extension, setup

NATIVE = Path("src/diffeo/kernels/native")
FLAGS = ["-O3", "-std=gnu++17", "-fno-math-errno", "-fno-trapping-math", "-fvisibility=hidden"]
# torch's own threads on Linux; elsewhere the kernels run on one
THREADS = ["-fopenmp"] if sys.platform == "linux" else []

setup(
    ext_modules=[
        Extension(
            "diffeo.kernels._native",
            sources=sorted(map(str, NATIVE.glob("*.cpp"))),
            depends=sorted(map(str, NATIVE.glob("*.h"))),
            extra_compile_args=FLAGS + THREADS,
            extra_link_args=THREADS,
            language="c++",
            # without a compiler the package installs all the same, and runs as plain PyTorch
            optional=True,
        )
    ]
)
