"""Objects that remember how they were built, so that a file can describe them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from torch import nn

__all__ = ["Described"]


def _recording(init: Callable[..., None]) -> Callable[..., None]:
    signature = inspect.signature(init)

    @functools.wraps(init)
    def wrapper(self: Described, *args: Any, **kwargs: Any) -> None:
        # The outermost constructor is the one the user called.
        if "_arguments" not in self.__dict__:
            bound = signature.bind(self, *args, **kwargs)
            self.__dict__["_arguments"] = dict(list(bound.arguments.items())[1:])
        init(self, *args, **kwargs)

    return wrapper


class Described:
    """Base class that records the arguments of its constructor.

    ``arguments()`` with the class name is all that a file needs to build the object again.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" in cls.__dict__:
            cls.__init__ = _recording(cls.__init__)  # type: ignore[method-assign]

    def arguments(self) -> dict[str, Any]:
        """Constructor arguments by name; a submodule that was replaced is given as it is now."""
        recorded: dict[str, Any] = self.__dict__.get("_arguments", {})
        return {
            name: getattr(self, name, value) if isinstance(value, nn.Module) else value
            for name, value in recorded.items()
        }
