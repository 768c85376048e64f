"""Every registered surjection passes the audit, fresh and perturbed; and the audit finds faults."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from registry import SURJECTIONS, Entry, cases
from torch import Tensor, nn

import diffeo
from diffeo.audit import check_flow, check_surjection, perturbed
from diffeo.surjections import Argmax, Augment, UniformDequantization, VariationalDequantization


def _name(value: Any) -> str:
    return value.name.replace(" ", "_") if isinstance(value, Entry) else str(value)


@pytest.mark.parametrize(("entry", "features", "context"), cases(SURJECTIONS), ids=_name)
def test_surjection_audit(entry: Entry, features: int, context: int) -> None:
    surjection = entry.build(features, context)
    check_surjection(surjection, trace=False).raise_if_failed()
    if any(parameter.numel() for parameter in surjection.parameters()):
        check_surjection(perturbed(surjection), trace=features == 3).raise_if_failed()
