"""Checkpoints that survive a kill at any moment, and resume to the same weights bit for bit."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from diffeo import storage
from diffeo.errors import ModelFileError
from diffeo.training.data import Rows, TrainingData

__all__ = ["Checkpoint", "digest", "digest_of_data", "fingerprint"]


class Checkpoint:
    """The file ``checkpoint.safetensors`` in a folder.

    Args:
        folder: where; made if absent.
        fingerprint: what the run depends on; another one in the file is an error.
    """

    def __init__(self, folder: Any, fingerprint: dict[str, str]) -> None:
        self.path = Path(folder) / "checkpoint.safetensors"
        self.fingerprint = fingerprint
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # a killed run leaves what it was writing
        for leftover in self.path.parent.glob(f".{self.path.name}.*.tmp"):
            leftover.unlink(missing_ok=True)

    def write(self, state: dict[str, Any]) -> None:
        """Write ``state``, a tree of dicts whose leaves are tensors or JSON values."""
        tensors: dict[str, Tensor] = {}
        plain = _take_tensors(state, "", tensors)
        storage.write(self.path, tensors, {"fingerprint": self.fingerprint, "state": plain})

    def read(self) -> dict[str, Any] | None:
        """The state last written; None where there is none.

        Raises:
            ModelFileError: a checkpoint of other data or another configuration.
        """
        if not self.path.exists():
            return None
        tensors, content = storage.read(self.path)
        found = content.get("fingerprint")
        if not isinstance(found, dict) or "state" not in content:
            raise ModelFileError(f"{self.path} is a model, not a checkpoint; choose another folder")
        differ = [k for k, v in self.fingerprint.items() if found.get(k) != v]
        if differ:
            raise ModelFileError(
                f"{self.path} belongs to a run with other {' and '.join(differ)}; "
                f"choose another folder, or delete it to start again"
            )
        state: dict[str, Any] = _give_tensors(content["state"], tensors)
        return state


def fingerprint(
    model: torch.nn.Module, data: TrainingData, options: dict[str, Any]
) -> dict[str, str]:
    """Digests of what decides a run: data, model and options."""
    description = json.dumps(storage.describe_model(model), sort_keys=True)
    return {
        "data": digest_of_data(data),
        "model": digest(description.encode()),
        "options": digest(json.dumps(options, sort_keys=True).encode()),
    }


def digest_of_data(data: TrainingData) -> str:
    """A digest of the rows to train and to validate on."""
    return digest(*(_bytes(rows) for rows in (data.train, data.validation) if rows))


def _bytes(rows: Rows) -> bytes:
    parts = [t for t in vars(rows).values() if t is not None]
    return b"".join(
        str(tuple(t.shape)).encode() + t.contiguous().cpu().numpy().tobytes() for t in parts
    )


def digest(*parts: bytes) -> str:
    """SHA-256 of the parts, one after another."""
    result = hashlib.sha256()
    for part in parts:
        result.update(part)
    return result.hexdigest()


def _take_tensors(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        tensors[path] = value
        return {"tensor": path}
    if isinstance(value, dict):
        return {"map": [[k, _take_tensors(v, f"{path}/{k}", tensors)] for k, v in value.items()]}
    if isinstance(value, list | tuple):
        return [_take_tensors(v, f"{path}/{i}", tensors) for i, v in enumerate(value)]
    return value


def _give_tensors(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, list):
        return [_give_tensors(v, tensors) for v in value]
    if isinstance(value, dict):
        if "tensor" in value:
            return tensors[value["tensor"]]
        return {k: _give_tensors(v, tensors) for k, v in value["map"]}
    return value
