"""The x with x + g(x) = y for a contraction g, differentiable by the implicit function."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch._higher_order_ops.while_loop import while_loop

from diffeo.nets.lipschitz.network import Fixed, Push
from diffeo.transforms.residual.log_det import jacobian

__all__ = ["NEWTON", "solve"]

State = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]

# up to here a Newton step, D products with J, is cheaper than the many plain steps it saves
NEWTON = 8


def solve(network: Callable[[], Fixed], y: Tensor, coefficient: float) -> Tensor:
    """The x (*batch, D) with x + g(x) = y, to the precision of the dtype.

    The plain step, x + (y - x - g(x)), shrinks the error by the coefficient at least (Banach), so
    it always converges. Up to D = 8, steps are Newton's wherever they shrink it as surely, and
    plain ones elsewhere. A row ends when rounding lets no plain step improve it. One last step
    carries the gradients to y and to whatever g depends on.

    Args:
        network: gives g at its present weights.
        y: (*batch, D).
        coefficient: Lipschitz constant of g.
    """
    with torch.no_grad():
        net = network()
        target = y.detach().clone(memory_format=torch.contiguous_format)
        root, steps = _iterate(net, target, coefficient)
        _, push = net(root)
    missing = y - root - network()(root).value
    return root + _solved(push, missing, steps)


def _solved(push: Push, missing: Tensor, steps: Tensor) -> Tensor:
    """(I + J)^-1 r for a constant J: exact, or r - J r + J^2 r - ... of as many terms as steps."""
    if missing.shape[-1] <= NEWTON:
        return _newton(push, missing)
    total = power = missing
    # without a graph, what the terms would add is rounding
    for _ in range(int(steps) if missing.requires_grad else 0):
        power = -push(power.unsqueeze(-2)).squeeze(-2)
        total = total + power
    return total


def _newton(push: Push, missing: Tensor) -> Tensor:
    matrix = jacobian(push, missing) + torch.eye(missing.shape[-1]).to(missing)
    # a row of NaN is no reason to raise
    return torch.linalg.solve_ex(matrix, missing.unsqueeze(-1)).result.squeeze(-1)


def _iterate(net: Fixed, y: Tensor, coefficient: float) -> tuple[Tensor, Tensor]:
    """The root, and the number of steps."""
    # between the guaranteed rate and one, so that rounding does not end an iteration early
    rate = (1 + coefficient) / 2
    # a rejected Newton step costs a step of its own
    most = 2 * math.ceil(math.log(torch.finfo(y.dtype).eps) / math.log(rate))
    newton = y.shape[-1] <= NEWTON

    def unfinished(count: Tensor, *rest: Tensor) -> Tensor:
        return (count < most) & ~rest[-1].all()

    def advance(
        count: Tensor, x: Tensor, missing: Tensor, trial: Tensor, plain: Tensor, done: Tensor
    ) -> State:
        value, push = net(trial)
        left = y - trial - value
        length = torch.linalg.vector_norm(left, dim=-1)
        better = length < rate * torch.linalg.vector_norm(missing, dim=-1)
        # a finished row stays as it is, so that it does not depend on the rest of its batch
        taken = (better & ~done).unsqueeze(-1)
        x, missing = torch.where(taken, trial, x), torch.where(taken, left, missing)
        step = torch.where(taken, _newton(push, left), missing) if newton else missing
        done = done | (plain & ~better)
        return count + 1, x, missing, x + step, ~better if newton else plain, done

    rows = torch.zeros_like(y[..., 0], dtype=torch.bool)
    state: State = (
        torch.zeros((), dtype=torch.int64, device=y.device),
        y.clone(),
        torch.full_like(y, torch.inf),
        y.clone(),
        ~rows,
        rows,
    )
    if torch.compiler.is_compiling():
        state = while_loop(unfinished, advance, state)
    else:
        while unfinished(*state):
            state = advance(*state)
    return state[1], state[0]
