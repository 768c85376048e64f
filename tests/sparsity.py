"""What depends on what."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def slopes(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """The largest |dy_i / dx_j| over the rows of x (rows, D), (outputs, D); y (rows, outputs)."""
    x = x.clone().requires_grad_()
    each = [
        torch.autograd.grad(column.sum(), x, retain_graph=True, materialize_grads=True)[0]
        for column in function(x).unbind(-1)
    ]
    return torch.stack(each).abs().amax(1)
