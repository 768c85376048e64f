"""One .safetensors file: weights, and a JSON description from which the model is built again.

Nothing is ever unpickled, and no import path is read from a file: class names resolve through a
registry of diffeo's own classes and those that the caller of ``load`` admits.
"""

from __future__ import annotations

import inspect
import json
import os
import warnings
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from diffeo import bases, nets, supports, surjections, transforms, univariates
from diffeo.described import Described
from diffeo.errors import ModelFileError
from diffeo.files import write_atomically

__all__ = ["build", "describe", "read", "register", "write"]

FORMAT = 1
_KEY = "diffeo"
_registry: dict[str, type[Described]] = {}


def register(*classes: type[Described]) -> None:
    """Admit classes to the registry under their names."""
    for cls in classes:
        if _registry.setdefault(cls.__name__, cls) is not cls:
            raise ValueError(f"two classes are called {cls.__name__}")


for _package in (bases, nets, supports, surjections, transforms, univariates):
    for _name in _package.__all__:
        _item = getattr(_package, _name)
        if isinstance(_item, type) and issubclass(_item, Described):
            register(_item)


def describe(value: Any, path: str = "model", parts: dict[str, Any] | None = None) -> Any:
    """``value`` as JSON: a nested description of Described objects, numbers and tensors.

    Modules and callables that are not Described (a user's network) become a reference by ``path``,
    to be handed over again at ``build``; they are put into ``parts`` under that path.
    """
    parts = {} if parts is None else parts
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Described):
        arguments = {
            name: describe(argument, f"{path}.{name}", parts)
            for name, argument in value.arguments().items()
        }
        return {"class": type(value).__name__, "arguments": arguments}
    if isinstance(value, Tensor):
        return value.detach().cpu().tolist()
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Mapping):
        return {"map": {str(k): describe(v, f"{path}.{k}", parts) for k, v in value.items()}}
    if isinstance(value, torch.Generator):
        return None
    # a module may be iterable (nn.Sequential is), but it is one part
    if isinstance(value, Iterable) and not isinstance(value, nn.Module):
        return [describe(item, f"{path}.{index}", parts) for index, item in enumerate(value)]
    parts[path] = value
    return {"given": path}


class _Builder:
    """Builds what a description describes, from admitted classes and parts alone."""

    def __init__(self, classes: Iterable[type[Described]], parts: Mapping[str, Any]) -> None:
        self.classes = {**_registry, **{cls.__name__: cls for cls in classes}}
        self.parts = parts

    def build(self, description: Any) -> Any:
        if isinstance(description, list):
            return [self.build(item) for item in description]
        if not isinstance(description, dict):
            return description
        if "map" in description:
            return {key: self.build(item) for key, item in description["map"].items()}
        if "given" in description:
            return self._part(description["given"])
        return self._object(description)

    def _part(self, path: str) -> Any:
        if path not in self.parts:
            raise ModelFileError(
                f"the model holds a part of your own at {path!r}, which a file cannot describe; "
                f"hand it over: load(path, parts={{{path!r}: ...}})"
            )
        return self.parts[path]

    def _object(self, description: dict[str, Any]) -> Any:
        name = description.get("class")
        if name not in self.classes:
            raise ModelFileError(
                f"the file names the class {name!r}, which diffeo does not have; "
                f"if it is yours, admit it: load(path, classes=[{name}])"
            )
        cls = self.classes[name]
        arguments = {key: self.build(item) for key, item in description["arguments"].items()}
        signature = inspect.signature(cls)
        unknown = arguments.keys() - signature.parameters.keys()
        if unknown:
            raise ModelFileError(
                f"the file gives {name} the unexpected arguments {sorted(unknown)}"
            )
        bound = inspect.BoundArguments(signature, OrderedDict(arguments))
        return cls(*bound.args, **bound.kwargs)


def build(
    description: Any,
    classes: Iterable[type[Described]] = (),
    parts: Mapping[str, Any] | None = None,
) -> Any:
    """The object that ``describe`` described.

    Raises:
        ModelFileError: a class or a part that is not admitted, or arguments that do not fit.
    """
    try:
        # building draws initial weights; the caller's random state must not feel it
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            # what a constructor warns of was said when the model was first built
            warnings.simplefilter("ignore")
            return _Builder(classes, parts or {}).build(description)
    except ModelFileError:
        raise
    except Exception as error:
        # a damaged description can make a constructor fail in any way
        raise ModelFileError(
            f"the description does not build a model: {type(error).__name__}: {error}"
        ) from error


def write(
    path: str | os.PathLike[str], tensors: Mapping[str, Tensor], content: Mapping[str, Any]
) -> None:
    """Write tensors and a JSON object to one .safetensors file, atomically.

    Raises:
        OSError: the file cannot be written; then nothing is left behind.
    """
    # clones: tensors that share memory are stored apart
    plain = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
    header = {_KEY: json.dumps({"format": FORMAT, **content}, allow_nan=True)}
    write_atomically(path, to_bytes(plain, metadata=header))


def read(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and the JSON object of a file written by ``write``.

    Raises:
        FileNotFoundError: no such file.
        ModelFileError: the file is truncated, or was not written by diffeo.
    """
    _refuse_foreign(path)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, ValueError) as error:
        raise ModelFileError(f"{path} is truncated or not a safetensors file: {error}") from error
    if _KEY not in metadata:
        raise ModelFileError(f"{path} is a safetensors file, but diffeo did not write it")
    try:
        content = json.loads(metadata[_KEY])
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{path} holds a damaged description: {error}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ModelFileError(
            f"{path} has format {content.get('format') if isinstance(content, dict) else None}; "
            f"this version of diffeo reads format {FORMAT}"
        )
    return tensors, content


def _refuse_foreign(path: str | os.PathLike[str]) -> None:
    """Name the most likely impostors before anything parses them."""
    if os.path.isdir(path):
        raise ModelFileError(f"{path} is a folder, not a model file")
    with open(path, "rb") as file:
        head = file.read(9)
    if not head:
        raise ModelFileError(f"{path} is empty, not a model file")
    # a safetensors file starts with 8 bytes of length, which may be any, and then its JSON
    if head[8:] != b"{" and head.startswith((b"\x80", b"PK\x03\x04")):
        raise ModelFileError(
            f"{path} looks like a pickle or a zip archive (torch.save writes these), "
            f"and diffeo never unpickles; it reads .safetensors files written by save()"
        )


def describe_model(model: Any) -> dict[str, Any]:
    """What a file says of a model besides its weights.

    Raises:
        ModelFileError: the model was changed by hand, so that its description builds another one.
    """
    parts: dict[str, Any] = {}
    description = describe(model, parts=parts)
    classes = [type(m) for m in model.modules() if isinstance(m, Described)]
    if _structure(build(description, classes, parts)) != _structure(model):
        raise ModelFileError(
            f"this {type(model).__name__} was changed after it was built, and its constructor's "
            f"arguments no longer describe it; compose a Flow(base, transform) instead"
        )
    return {"model": description, "dtype": str(model.like.dtype).removeprefix("torch.")}


def _structure(model: nn.Module) -> list[Any]:
    """Every module with its description, and the shape of every tensor."""
    modules = [
        (name, type(module).__name__, describe(module) if isinstance(module, Described) else None)
        for name, module in model.named_modules()
    ]
    return [*modules, *((name, tensor.shape) for name, tensor in model.state_dict().items())]


def build_model(
    path: str | os.PathLike[str],
    tensors: Mapping[str, Tensor],
    content: Mapping[str, Any],
    classes: Iterable[type[Described]],
    parts: Mapping[str, Any] | None,
) -> nn.Module:
    """The model of a file, with its weights.

    Raises:
        ModelFileError: the description does not build, or the weights do not fit it.
    """
    model = build(content.get("model"), classes, parts)
    dtype = getattr(torch, str(content.get("dtype")), None)
    if (
        not isinstance(model, nn.Module)
        or not isinstance(dtype, torch.dtype)
        or not dtype.is_floating_point
    ):
        raise ModelFileError(f"{path} does not describe a model")
    try:
        model.to(dtype).load_state_dict(dict(tensors))
    except RuntimeError as error:
        raise ModelFileError(f"{path}: the weights do not fit the description: {error}") from error
    return model
