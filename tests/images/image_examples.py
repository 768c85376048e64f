"""Small image files in every format, written by the tests themselves."""

from __future__ import annotations

import gzip
import os
import struct
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]


def pixels(*shape: int, seed: int = 0, top: int = 255) -> np.ndarray:
    """Random levels, the extremes among them."""
    levels = np.random.default_rng(seed).integers(0, top + 1, shape)
    levels.flat[0], levels.flat[-1] = 0, top
    return levels.astype(np.uint8 if top < 256 else np.uint16)


def real_file(name: str) -> Path:
    """A file of the project's data; its test is skipped where there is none."""
    folder = Path(os.environ.get("DIFFEO_DATA", ROOT.parent / "shared" / "data"))
    path = folder / "images" / name
    if not path.is_file():
        pytest.skip(f"no {path}: name the folder of the data in DIFFEO_DATA")
    return path


def write_idx(path: Path, array: np.ndarray) -> Path:
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    content = header + array.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def write_cifar(path: Path, images: np.ndarray, labels: np.ndarray) -> Path:
    """``images`` are (N, 3, 32, 32)."""
    records = np.concatenate([labels[:, None].astype(np.uint8), images.reshape(-1, 3072)], axis=1)
    path.write_bytes(records.tobytes())
    return path


def write_imagenet(path: Path, images: np.ndarray, labels: np.ndarray) -> Path:
    """``images`` are (N, 3, W, W), ``labels`` from 1."""
    flat = images.reshape(len(images), -1)
    np.savez(path, data=flat, labels=labels, mean=flat.mean(0))
    return path
