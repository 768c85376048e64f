"""What a model file of a table holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

    from diffeo.model import Model

__all__ = ["print_statistics", "table_architecture"]

_STATISTICS = ("min", "mean", "max", "sd", "resolution")


def table_architecture(model: Model) -> list[tuple[str, str]]:
    """Class, layers, columns, context and parameters."""
    from diffeo.cli.tables.matching import model_columns
    from diffeo.cli.tables.measures import in_words
    from diffeo.tabular import TableFlow

    features, context = model_columns(model)
    parameters = sum(p.numel() for p in model.parameters())
    mixed = isinstance(model, TableFlow)
    return [
        ("model", type(model).__name__ + _arguments(model.arguments())),
        ("layers", "AnyOrderFlow" if mixed else _layers(model)),
        ("columns", ", ".join(features)),
        ("context", "any columns (sample --given)" if mixed else ", ".join(context) or "none"),
        ("parameters", f"{parameters:,} of {str(model.like.dtype).removeprefix('torch.')}"),
        ("log_prob", f"{model.exactness}, {in_words(model)}"),
    ]


def _arguments(arguments: dict[str, Any]) -> str:
    """Constructor arguments without modules and types of columns, which are shown elsewhere."""
    from torch import nn

    from diffeo.tabular import TypedColumns

    elsewhere = (nn.Module, TypedColumns)
    shown = {
        name: value
        for name, value in arguments.items()
        if not any(isinstance(v, elsewhere) for v in (value if _many(value) else [value]))
    }
    return f"({', '.join(f'{name}={value}' for name, value in shown.items())})"


def _many(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _layers(model: nn.Module) -> str:
    """The parts from base to data by their class names, repeated runs counted."""
    from diffeo.flow import Flow

    if isinstance(model, Flow):
        return " > ".join(_counted([type(model.base).__name__, *_chain(model.transform)]))
    parts = getattr(model, "components", [])
    return ", ".join(_counted([type(part).__name__ for part in parts]))


def _chain(transform: nn.Module) -> list[str]:
    from diffeo.transforms import Inverse, Sequential

    if isinstance(transform, Sequential):
        inner = [_chain(part) for part in transform]
        return [" > ".join(names) if len(names) > 1 else names[0] for names in inner]
    if isinstance(transform, Inverse):
        return [f"Inverse({' > '.join(_chain(transform.transform))})"]
    return [type(transform).__name__]


def _counted(names: list[str]) -> list[str]:
    from itertools import groupby

    runs = [(name, len(list(run))) for name, run in groupby(names)]
    return [name if count == 1 else f"{count} x ({name})" for name, count in runs]


def print_statistics(statistics: dict[str, dict[str, float]]) -> None:
    """One line a column; a resolution of 0 means that its values hardly repeat."""
    width = max(len(name) for name in ("column", *statistics))
    print(f"{'column':{width}}", *(f"{name:>12}" for name in _STATISTICS))
    for name, values in statistics.items():
        print(f"{name:{width}}", *(f"{values[key]:>12.5g}" for key in _STATISTICS))
