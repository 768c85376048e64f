"""Runs that are kept as they finish, so that a benchmark goes on where it stopped."""

from __future__ import annotations

import json
from typing import Any

from table import RESULTS

__all__ = ["Runs"]


class Runs:
    """Finished runs of one protocol, in results/NAME_runs.json.

    Args:
        name: of the benchmark.
        protocol: what every run has in common; runs of another protocol are forgotten.
    """

    def __init__(self, name: str, protocol: dict[str, Any]) -> None:
        self.path = RESULTS / f"{name}_runs.json"
        self.protocol = json.loads(json.dumps(protocol))
        content = json.loads(self.path.read_text("utf-8")) if self.path.exists() else {}
        same = content.get("protocol") == self.protocol
        self.found: dict[str, Any] = content["runs"] if same else {}

    def __contains__(self, key: str) -> bool:
        return key in self.found

    def add(self, key: str, result: Any) -> None:
        """Keep a result (a JSON value) under a key."""
        self.found[key] = result
        content = {"protocol": self.protocol, "runs": self.found}
        self.path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
