"""What a model of sequences is and how it was fitted, in words."""

from __future__ import annotations

from typing import Any

__all__ = ["kind_of_symbols", "sequence_architecture", "sequence_training"]


def kind_of_symbols(model: Any) -> str | None:
    """What the symbols of a fitted model stand for: "text", "voices", "symbols"; None of others."""
    found: str | None = model.record.get("sequences", {}).get("kind")
    return found


def sequence_architecture(model: Any) -> list[tuple[str, str]]:
    """Class, sizes, alphabet and parameters."""
    sizes = {k: v for k, v in model.arguments().items() if isinstance(v, int | float | str)}
    shown = ", ".join(f"{name}={value}" for name, value in sizes.items())
    alphabet = getattr(model, "alphabet", None)
    symbols = [] if alphabet is None else [("symbols", f"{len(alphabet)}: {_shown(alphabet)}")]
    parameters = sum(p.numel() for p in model.parameters())
    return [
        ("model", f"{type(model).__name__}({shown})"),
        *symbols,
        ("length", f"{model.event_shape[0]} steps at a time"),
        ("parameters", f"{parameters:,} of {str(model.like.dtype).removeprefix('torch.')}"),
        ("log_prob", f"{model.exactness}, the probability of a sequence"),
    ]


def sequence_training(model: Any) -> list[tuple[str, str]]:
    """Data of a fit, and what held-out ones cost."""
    record = {**model.record.get("music", {}), **model.record.get("sequences", {})}
    found = [("fitted to", str(record["source"]))] if "source" in record else []
    if "held_out_nats" in record:
        found.append(("held out", f"{record['held_out_nats']:.4f} nats a step"))
    if "held_out_bits" in record:
        found.append(("held out", f"{record['held_out_bits']:.4f} bits a symbol"))
    return found


def _shown(alphabet: tuple[str, ...]) -> str:
    if all(len(symbol) == 1 for symbol in alphabet):
        return repr("".join(alphabet))
    return ", ".join(alphabet)
