"""Transforms whose parameters are learned constants, or predicted from context by a network."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from diffeo.nets import MLP, ResidualMLP
from diffeo.transform import Transform
from diffeo.transforms.placement import check_conditioner

__all__ = ["Amortised"]


class Amortised(Transform):
    """A transform with parameters of one shape, constant or predicted from context."""

    params: Tensor
    conditioner: nn.Module | None

    def _learn(
        self,
        initial: Tensor,
        context: int,
        hidden: Sequence[int] = (128, 128),
        *,
        residual: bool = False,
        conditioner: nn.Module | None = None,
    ) -> None:
        """Make what learns the parameters; call it once in the constructor.

        Args:
            initial: what they start at, whatever the context (a conditioner of the user's decides
                for itself).
            context: width of the context; 0 for constant parameters.
            hidden: hidden widths of the network that predicts them.
            residual: use a residual network.
            conditioner: a user's module in place of it.
        """
        self.context = context
        self.conditioner = conditioner
        self._shape = tuple(initial.shape)
        if conditioner is not None:
            check_conditioner(self, conditioner, (0,), (initial.numel(),), context)
        elif context:
            network = (ResidualMLP if residual else MLP)(0, initial.numel(), hidden, context)
            # its last weights are zero, so at first the bias decides alone
            network.output.bias.data.copy_(initial.flatten())
            self.conditioner = network
        else:
            self.params = nn.Parameter(initial)

    def _params(self, x: Tensor, context: Tensor | None) -> Tensor:
        """The parameters (*context_batch, *shape) in the dtype of ``x``; constants (*shape).

        Under autocast the network may work in half precision; the transform must not.
        """
        if self.conditioner is None:
            return self.params
        assert context is not None
        out: Tensor = self.conditioner(context[..., :0], context)
        return out.unflatten(-1, self._shape).to(x.dtype)
