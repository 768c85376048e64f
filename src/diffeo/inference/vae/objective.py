"""What a flow VAE is trained on: the negative ELBO, with KL warm-up."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from torch import Tensor

__all__ = ["ElboTerms", "negative_elbo"]


class ElboTerms(NamedTuple):
    """The two parts of the ELBO, which is likelihood - divergence, in nats an event.

    Attributes:
        likelihood: log p(x | z).
        divergence: log q(z | x) - log p(z), whose mean is KL(q(z | x) || p(z)).
    """

    likelihood: Tensor
    divergence: Tensor


class _Trained(Protocol):
    """What the objective needs of a model."""

    training: bool
    updates: Tensor

    def training_terms(self, x: Tensor, context: Tensor | None) -> ElboTerms: ...

    def elbo_terms(self, x: Tensor, context: Tensor | None) -> ElboTerms: ...


def negative_elbo(
    model: _Trained,
    x: Tensor,
    context: Tensor | None = None,
    weight: Tensor | None = None,
    *,
    warmup: int = 0,
    free: int = 0,
) -> Tensor:
    """Mean of -w (log p(x | z) - beta (log q(z | x) - log p(z))) for one draw z ~ q(z | x) a row.

    beta is 0 for the first ``free`` training steps of the model and rises linearly to 1 over the
    next ``warmup``, so that the decoder learns to use z before the prior pulls the posterior onto
    it. In evaluation mode it is 1: validation always sees the ELBO. The steps are counted in
    ``model.updates``, a buffer, so that checkpoints and returns to earlier weights keep the count
    right.

    Args:
        model: of latents.
        x: (rows, *event_shape).
        context: (rows, context) of the prior.
        weight: (rows,), with mean 1 over the data; None for equal weights.
        warmup: training steps in which beta rises to 1.
        free: training steps before, at which beta is 0.

    Returns:
        A scalar.

    Reference: "Ladder Variational Autoencoders", Sønderby, Raiko, Maaløe, Sønderby, Winther, 2016,
    arXiv:1602.02282; "Generating Sentences from a Continuous Space", Bowman, Vilnis, Vinyals, Dai,
    Jozefowicz, Bengio, 2015, arXiv:1511.06349.
    """
    terms = model.training_terms(x, context) if model.training else model.elbo_terms(x, context)
    beta = model.updates.new_ones((), dtype=x.dtype)
    if model.training:
        after = model.updates - free
        beta = ((after / warmup).clamp(0, 1) if warmup else after >= 0).to(x.dtype)
        model.updates += 1
    loss = beta * terms.divergence - terms.likelihood
    return (loss if weight is None else weight * loss).mean()
