"""A density of discrete sequences by a flow of latent ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from diffeo.arrays import ArrayLike, like_input, to_tensor
from diffeo.checks import check_count, check_features
from diffeo.density import Seed, as_generator
from diffeo.draw import Draw
from diffeo.errors import DataError, ShapeError
from diffeo.inference.vae import Bernoulli, Categorical, ElboTerms
from diffeo.sequences.latent.changes import shifted, windows
from diffeo.sequences.latent.networks import SequenceNetwork
from diffeo.sequences.latent.packed_latents import PackedLatents
from diffeo.sequences.latent.packing import Packing
from diffeo.sequences.latent.padding import lengths
from diffeo.sequences.latent.prior import PriorKind, recurrent_prior
from diffeo.univariates import Univariate

__all__ = ["LatentSequenceFlow"]

Self = TypeVar("Self", bound="LatentSequenceFlow")

# log-scale of the posterior at the start: latents that are mostly noise teach the decoder nothing
_START = math.log(0.1)


class LatentSequenceFlow(PackedLatents):
    """A density of discrete sequences, such as piano rolls, by a flow of sequences of latents:

        z_1, ..., z_T ~ flow,   x_t ~ p(x_t | z_1, ..., z_T) independently,
        log p(x) >= E_q[sum_t log p(x_t | z) + log p(z) - sum_t log q(z_t | x)].

    All that steps have to do with one another, and elements of a step, lies in the flow of z
    (``recurrent_prior``). Encoder and decoder are bidirectional LSTMs; q is normal. ``log_prob``
    is this bound at one draw of z, in nats a sequence; with ``num_samples=k`` it is the
    importance-weighted one.

    A sequence may be shorter than T steps: the rest of it then holds -1, and ``log_prob`` is that
    of its steps given how many they are. ``sample`` gives T steps. In training, ``fit`` should
    leave z free at first (``kl_free=``, ``kl_warmup=``), or the decoder may never come to use it.

    Args:
        steps: most steps T of a sequence.
        width: elements of a step, such as 88 notes.
        prior: "af/af", "af/scf" or "iaf/scf", see ``recurrent_prior``.
        latent: width of z_t.
        hidden, recurrent_layers: width of the states of all LSTMs, and their layers.
        prior_hidden: width of the state of the flow's LSTM; by default ``hidden``.
        layers, step_hidden: of the flow of z_t given a state: layers, hidden widths of each.
        univariate: its scalar map; by default a rational-quadratic spline of 8 bins.
        likelihood: of an element of a step: ``Bernoulli()`` by default, or a ``Categorical``.
        dropout: share of the states' elements that training sets to 0.
        transpose: in training, sequences are moved along the elements of a step by a random number
            of places up to this, as far as none of their notes is lost.
        window: in training, so many steps of each sequence are seen at a time; None for all.
        seed: of the initial weights; None draws from torch's global generator.

    Attributes:
        encoder, flow, prior, decoder, likelihood, transpose, window: the parts.

    Shapes: x (*batch, T, width), z (*batch, T, latent).

    Raises:
        ShapeError: sizes that do not fit.
        ValueError: another prior, or numbers out of range.

    Reference: "Latent Normalizing Flows for Discrete Sequences", Ziegler, Rush, 2019,
    arXiv:1901.10548.

    Example:
        >>> import torch
        >>> from diffeo.sequences import LatentSequenceFlow
        >>> model = LatentSequenceFlow(16, 88, latent=2, hidden=8, step_hidden=(8,), seed=0)
        >>> x = torch.zeros(3, 16, 88)
        >>> x[0, 10:] = -1  # a sequence of 10 steps
        >>> model.nats_per_step(x, num_samples=5, seed=0).shape
        torch.Size([3])
        >>> model.draw(2, steps=8, seed=0).shape
        torch.Size([2, 8, 88])
    """

    def __init__(
        self,
        steps: int,
        width: int,
        *,
        prior: PriorKind = "af/af",
        latent: int = 16,
        hidden: int = 128,
        prior_hidden: int | None = None,
        recurrent_layers: int = 1,
        layers: int = 2,
        step_hidden: Sequence[int] = (128,),
        univariate: Univariate | None = None,
        likelihood: Bernoulli | Categorical | None = None,
        dropout: float = 0.0,
        transpose: int = 0,
        window: int | None = None,
        seed: int | None = None,
    ) -> None:
        for size in (steps, width, latent, hidden, recurrent_layers, layers):
            check_features("LatentSequenceFlow", size)
        if not 0 <= dropout < 1:
            raise ValueError(f"LatentSequenceFlow: dropout must be in [0, 1), got {dropout!r}")
        likelihood = Bernoulli() if likelihood is None else likelihood
        labels = likelihood.num_params if isinstance(likelihood, Categorical) else 1
        if transpose and labels > 1:
            raise ValueError("LatentSequenceFlow: notes are transposed, labels are not")
        # a seed must not disturb the caller's random state
        with torch.random.fork_rng(devices=[], enabled=seed is not None):
            if seed is not None:
                torch.manual_seed(seed)
            flow = recurrent_prior(
                prior,
                steps,
                latent,
                hidden=prior_hidden or hidden,
                recurrent_layers=recurrent_layers,
                layers=layers,
                step_hidden=step_hidden,
                univariate=univariate,
                dropout=dropout,
            )
            sizes = hidden, recurrent_layers, dropout
            encoder = SequenceNetwork(labels * width, 2 * latent, *sizes)
            decoder = SequenceNetwork(latent, likelihood.num_params * width, *sizes)
        last: Any = encoder.output[-1]
        with torch.no_grad():
            last.bias.view(-1, 2)[:, 1] = _START
        super().__init__(encoder, flow, decoder, likelihood, width)
        self.transpose = transpose
        self.window = None if window is None else check_count("window", window)
        # the states of all steps
        self.row_width = steps * max(hidden, prior_hidden or 0)

    def of_length(self: Self, steps: int) -> Self:
        """A copy, with the same weights, of sequences of up to another number of steps.

        Raises:
            ShapeError: not a whole number of at least 1.
        """
        other = type(self)(**{**self.arguments(), "steps": steps})
        other.to(self.like).load_state_dict(self.state_dict())
        return other.train(self.training)

    def training_terms(self, x: Tensor, context: Tensor | None = None) -> ElboTerms:
        if self.window is not None:
            x = windows(x, self.window)
        if self.transpose:
            x = shifted(x, self.transpose)
        return ElboTerms(*(part[0] for part in self._draws(x, context, 1, None, None)))

    # -- what users call -------------------------------------------------------------------------

    def nats_per_step(
        self,
        x: ArrayLike,
        *,
        num_samples: int = 1,
        seed: Seed = None,
        chunk_size: int | None = None,
    ) -> Any:
        """-log p(x) / n of every sequence of n steps, an upper bound; else as ``log_prob``."""
        log_prob = self.log_prob(x, num_samples=num_samples, seed=seed, chunk_size=chunk_size)
        return -log_prob / like_input(lengths(self._check_x(x)), x)

    @torch.no_grad()
    def draw(
        self,
        n: int,
        steps: int | None = None,
        *,
        temperature: float = 1.0,
        seed: Seed = None,
    ) -> Tensor:
        """New sequences at a temperature T: noise times T, and logits of elements divided by T.

        Args:
            n: sequences.
            steps: of each, at most those of the model, which is the default.
            temperature: T >= 0; below 1, sequences are more alike and closer to the modes.
            seed: of the draws.

        Returns:
            (n, steps, width).

        Raises:
            ShapeError: more steps than the model has.
            ValueError: a temperature that is not a finite number >= 0, or no steps.
        """
        _check_temperature(temperature)
        count = self._checked_steps(steps)
        generator = as_generator(seed, self.like.device)
        noise = Draw((n,), generator=generator).normal((count, self.latent), self.like)
        return self._from_noise(noise, generator, temperature)

    @torch.no_grad()
    def continued(
        self,
        prefix: ArrayLike,
        n: int = 1,
        steps: int | None = None,
        *,
        temperature: float = 1.0,
        candidates: int = 16,
        seed: Seed = None,
    ) -> Any:
        """Sequences that begin with a given one, and go on as the model would.

        Of ``candidates`` pairs (z of the prefix by the encoder, z after it by the flow), one is
        kept with a probability in proportion to p(prefix | z) p(z) / q(z | prefix), and the steps
        after the prefix are drawn given its z. At temperature 1 that is importance resampling: a
        draw of p(rest | prefix) exactly only as ``candidates`` grow, since the encoder's z of the
        prefix, which it takes for a whole sequence, is not the posterior. Another temperature
        changes noise and logits of the rest as in ``draw``.

        Args:
            prefix: (given, width), without padding.
            n: sequences.
            steps: of each, prefix and rest together; by default those of the model.
            temperature: T >= 0.
            candidates: draws of z for each sequence.
            seed: of the draws.

        Returns:
            (n, steps, width), the first steps of which are ``prefix``: a tensor or a numpy array
            as ``prefix`` is.

        Raises:
            ShapeError: a prefix of another width, or longer than ``steps`` or than the model.
            DataError: values that are outside the support.
            ValueError: numbers out of range.
        """
        _check_temperature(temperature)
        total, count = self._checked_steps(steps), check_count("n", n)
        x = self._checked_prefix(prefix, total)
        each = check_count("candidates", candidates)
        draw = Draw((count * each,), generator=as_generator(seed, self.like.device))
        z, weight = self._continued_latents(x, total, draw, temperature)
        packing = Packing(torch.full((draw.shape[0],), total, device=x.device))
        params = packing.unpack(self._params(z, packing).movedim(0, 1))
        params = params.permute(2, 1, 0, 3)  # (num_params, sequences, steps, width)
        given, rest = params[..., : len(x), :], params[..., len(x) :, :]
        weight = weight + self.likelihood.log_prob(x, given).sum((-2, -1))
        shares = weight.reshape(count, each).softmax(-1)
        kept = torch.multinomial(shares, 1, generator=draw.generator)[:, 0]
        kept = kept + each * torch.arange(count, device=x.device)
        new = self._sampled(rest[:, kept], draw.generator, temperature)
        return like_input(torch.cat([x.expand(count, -1, -1), new], dim=1), prefix)

    def _continued_latents(
        self, x: Tensor, total: int, draw: Draw, temperature: float
    ) -> tuple[Tensor, Tensor]:
        """Rows of z of whole sequences, and log p(z) - log q(z) of what belongs to the prefix."""
        packing = Packing(torch.full(draw.shape, len(x), device=x.device))
        z, log_q = self._posterior_rows(self._code(x[None]), packing, draw)
        noise, log_p = self._prior_rows(z, packing)
        new = draw.normal((total - len(x), self.latent), x)
        # the noise of z gives z again, and what follows follows from it
        joined = torch.cat([packing.events(noise, len(x)), temperature * new], dim=1)
        whole = Packing(torch.full(draw.shape, total, device=x.device))
        z, _ = self._recurrence.of_rows(whole.of_events(joined), whole, inverted=False)
        return z, log_p - log_q

    def _checked_steps(self, steps: int | None) -> int:
        count = self.steps if steps is None else check_count("steps", steps)
        if count > self.steps:
            raise ShapeError(
                f"{count} steps are wanted, but this model is of sequences of up to {self.steps}; "
                f"of_length({count}) gives a copy for longer ones"
            )
        return count

    def _checked_prefix(self, prefix: ArrayLike, total: int) -> Tensor:
        x = to_tensor(prefix, self.like, "prefix", cast=True)
        if x.ndim != 2 or x.shape[1] != self.width or not len(x):
            raise ShapeError(
                f"a prefix has the shape (steps, {self.width}) with at least one step, got "
                f"{tuple(x.shape)}"
            )
        if len(x) > total:
            raise ShapeError(
                f"the prefix has {len(x)} steps, more than the {total} of the sequences wanted"
            )
        bad = ~self.support.each.contains(x)
        if bool(bad.any()):
            at = tuple(bad.nonzero()[0].tolist())
            raise DataError(
                f"the prefix holds {x[at].item():g} at step {at[0]}, element {at[1]}, outside "
                f"{self.support.each!r}"
            )
        return x


def _check_temperature(temperature: float) -> None:
    if not (temperature >= 0 and math.isfinite(temperature)):
        raise ValueError(f"temperature must be a finite number >= 0, got {temperature!r}")
