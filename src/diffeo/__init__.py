"""Normalizing flows on PyTorch: exact densities and fast sampling.

flow = diffeo.NSF(features=5).fit(X)
flow.log_prob(X); flow.sample(1000); flow.save("m.safetensors")
"""

from typing import TYPE_CHECKING, Any

from diffeo.version import __version__ as __version__

if TYPE_CHECKING:
    from diffeo.front import *  # noqa: F403  the names stand there
else:

    def __getattr__(name: str) -> Any:
        """A name of the front door, or a module, which is imported when it is first used.

        So `diffeo --help`, and errors in its arguments, need not wait for torch.
        """
        import importlib.util

        missing = AttributeError(f"module 'diffeo' has no attribute {name!r}")
        if name.startswith("_") and name != "__all__":
            raise missing
        if name != "__all__" and importlib.util.find_spec(f"diffeo.{name}") is not None:
            return importlib.import_module(f"diffeo.{name}")
        try:
            found = getattr(importlib.import_module("diffeo.front"), name)
        except AttributeError:
            raise missing from None
        globals()[name] = found
        return found

    def __dir__() -> list[str]:
        return sorted({*globals(), *__getattr__("__all__")})
