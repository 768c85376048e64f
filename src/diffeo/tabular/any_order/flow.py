"""AnyOrderFlow: one density for mixed columns, in any order, with any of them unseen."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from diffeo.checks import check_count
from diffeo.chunks import by_chunks
from diffeo.density import Seed, as_generator
from diffeo.draw import Draw
from diffeo.errors import ShapeError
from diffeo.model import Model
from diffeo.supports import Circle, Features, Real, Support
from diffeo.supports.discrete import Integers
from diffeo.tabular.any_order.columns import AngleColumn, ColumnKind, LevelColumn, NumberColumn
from diffeo.tabular.any_order.group import ColumnGroup
from diffeo.tabular.any_order.grouping import grouped
from diffeo.tabular.any_order.network import AnyOrderNetwork
from diffeo.training import Objective

__all__ = ["AnyOrderFlow"]

# share of the training steps in the orders of log_prob
OF_DENSITY = 0.5
# share of the rows of which columns are hidden, each at a rate of its own
HIDDEN = 0.5
# weights of the regression beside the network, beyond which there is none
MOST_STRAIGHT = 1_000_000
# sets of columns that are judged together, given the others, at most
PASSES = 64


class AnyOrderFlow(Model):
    """Autoregressive density of columns of different kinds, whatever their order:

        p(x) = 1/K sum_k prod_i p(x_i | the columns before i in order k).

    One masked network gives every conditional distribution; what it sees of a column comes with
    a mark that it was seen. It is trained on random orders, with columns hidden at random, so that
    it knows p(x_i | any others). Numbers have mixtures of normals on normal scores, codes have
    exact probabilities, angles wrapped normals.

    A value that is NaN is unseen: ``log_prob`` then is that of the others, by the same product
    over the columns seen. This is a normalised density for each pattern of holes; densities of
    different patterns agree as far as training makes them agree.

    Args:
        columns: one description a column.
        width: units of each hidden layer.
        blocks: residual blocks.
        components: of each mixture.
        knots: of each spline of normal scores, at most.
        orders: number K of random orders of which the density is the mean.
        seed: seed of the initial weights and of the orders; None draws from torch's global
            generator.

    Attributes:
        columns: as given.

    Shapes: x (*batch, D). There is no context: any columns can be given in ``complete``.

    Raises:
        ShapeError: no columns.
        ValueError: a size that is not a whole number of at least 1 (3 for ``knots``).

    Reference: "A Deep and Tractable Density Estimator", Uria, Murray, Larochelle, 2014,
    arXiv:1310.1757; "MADE: Masked Autoencoder for Distribution Estimation", Germain, Gregor,
    Murray, Larochelle, 2015, arXiv:1502.03509; "Arbitrary Conditional Distributions with Energy",
    Strauss, Oliva, 2021, arXiv:2102.04426.

    Example:
        >>> import torch, diffeo
        >>> from diffeo.tabular.any_order import AnyOrderFlow, LevelColumn, NumberColumn
        >>> flow = AnyOrderFlow([NumberColumn(), LevelColumn(3)], seed=0)
        >>> nan = float("nan")
        >>> x = torch.tensor([[0.5, 2.0], [nan, 2.0]])
        >>> flow.log_prob(x).shape
        torch.Size([2])
        >>> flow.complete(x, seed=0).isnan().any()
        tensor(False)
    """

    has_rsample = False
    typed_columns = True
    ranks: Tensor

    def __init__(
        self,
        columns: Sequence[ColumnKind],
        *,
        width: int = 128,
        blocks: int = 2,
        components: int = 8,
        knots: int = 24,
        orders: int = 4,
        seed: int | None = None,
    ) -> None:
        if not columns:
            raise ShapeError("AnyOrderFlow needs at least one column")
        for name, size in (("width", width), ("components", components), ("orders", orders)):
            check_count(name, size)
        if knots < 3:
            raise ValueError(f"knots must be a whole number >= 3, got {knots!r}")
        super().__init__((len(columns),))
        self.columns = tuple(columns)
        self.support = Features([_support(column) for column in columns])
        with torch.random.fork_rng(devices=[], enabled=seed is not None):
            if seed is not None:
                torch.manual_seed(seed)
            self.groups = nn.ModuleList(grouped(self.columns, components, knots))
            self.network = self._network(width, blocks)
            drawn = [torch.randperm(len(columns)) + 1 for _ in range(orders)]
        self.register_buffer("ranks", torch.stack(drawn))

    def _network(self, width: int, blocks: int) -> AnyOrderNetwork:
        count = len(self.columns)
        inputs = [g.index.repeat(g.num_features) for g in self._groups()]
        outputs = [g.index.repeat(g.num_params) for g in self._groups()]
        start, targets = 0, []
        for group in self._groups():
            size = len(group.positions)
            targets.append(torch.arange(start, start + size * group.num_straight))
            start += size * group.num_params
        seen = torch.cat([*inputs, torch.arange(count)])
        straight = torch.cat(targets)
        if len(seen) * len(straight) > MOST_STRAIGHT:
            straight = straight[:0]
        return AnyOrderNetwork(seen, torch.cat(outputs), straight, count, width, blocks)

    def _groups(self) -> list[ColumnGroup]:
        return list(self.groups)  # type: ignore[arg-type]

    def initialize(
        self, x: Tensor, context: Tensor | None = None, *, standardize: bool = True
    ) -> None:
        for group in self._groups():
            group.initialize(x.t()[group.index])

    # -- conditional distributions ---------------------------------------------------------------

    def _params(self, x: Tensor, seen: Tensor, rank: Tensor) -> list[Tensor]:
        """Each group's parameters, (num_params, columns, rows), of x (D, rows) without holes."""
        marks = seen.to(x.dtype)
        features = [(g.features(x[g.index]) * marks[g.index]).flatten(0, 1) for g in self._groups()]
        out = self.network(torch.cat([*features, marks]).t(), rank).t()
        sizes = [g.num_params * len(g.positions) for g in self._groups()]
        return [
            part.unflatten(0, (g.num_params, -1))
            for g, part in zip(self._groups(), out.split(sizes), strict=True)
        ]

    def _without_holes(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """x (D, rows) with its holes filled by what does no harm; what was there, what was not
        possible, what other columns can be told by."""
        there = ~x.isnan()
        inside, known = torch.empty_like(there), torch.empty_like(there)
        harmless = torch.empty_like(x)
        for g in self._groups():
            inside[g.index] = g.contains(x[g.index])
            known[g.index] = g.known(x[g.index])
            harmless[g.index] = g.harmless(x[g.index])
        inside &= there
        return torch.where(inside, x, harmless), there, there & ~inside, inside & known

    def conditionals(self, x: Tensor, rank: Tensor, seen: Tensor | None = None) -> Tensor:
        """log p(x_i | columns seen before i), (D, rows); 0 in holes, -inf for impossible values.

        Args:
            x: (D, rows), NaN in holes.
            rank: (D,), place 1..D of each column in the order.
            seen: (D, rows), which columns those after them see; by default all that are there.
        """
        x, there, impossible, known = self._without_holes(x)
        visible = known if seen is None else seen & known
        log_prob = torch.empty_like(x)
        for group, params in zip(self._groups(), self._params(x, visible, rank), strict=True):
            log_prob[group.index] = group.log_prob(x[group.index], params)
        log_prob = torch.where(there, log_prob, 0.0)
        return torch.where(impossible, -math.inf, log_prob)

    def impossible(self, x: Tensor) -> Tensor:
        """Which values their columns cannot have, (rows, D); a hole is possible.

        Args:
            x: (rows, D), NaN in holes.
        """
        return self._without_holes(x.t())[2].t()

    def pit(self, x: Tensor, *, seed: Seed = None) -> Tensor:
        """Probability integral transforms, uniform on [0, 1] where the model is right, (rows, D).

        Of each value given the columns before it in the first order; where the value has mass, at
        random between the probabilities below and up to it. NaN in holes.

        Args:
            x: (rows, D), NaN in holes.
            seed: of the draws.

        Reference: "Remarks on a Multivariate Transformation", Rosenblatt, 1952, Annals of
        Mathematical Statistics 23; "Predictive Model Assessment for Count Data", Czado, Gneiting,
        Held, 2009, Biometrics 65 (randomisation).
        """
        generator = as_generator(seed, x.device)
        return self._by_rows(lambda rows: self._pit(rows, generator), x)

    def _by_rows(self, function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """``function`` of so many rows of x (rows, D) at a time as need little memory."""
        size = self._rows_at_once(x.numel())
        result: Tensor = by_chunks(lambda rows, _: function(rows), size, x, None, 1)
        return result

    def _pit(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        rows, there, impossible, known = self._without_holes(x.t())
        uniform = torch.rand(rows.shape, generator=generator, dtype=x.dtype, device=x.device)
        pit = torch.empty_like(rows)
        params = self._params(rows, known, self.ranks[0])
        for group, each in zip(self._groups(), params, strict=True):
            below, at = group.below_and_at(rows[group.index], each)
            pit[group.index] = below + uniform[group.index] * at
        return torch.where(there & ~impossible, pit, math.nan).clamp(0, 1).t()

    def full_conditionals(self, x: Tensor) -> Tensor:
        """log p(x_i | all other columns that are there), (*batch, D); 0 in holes.

        Of more than 64 columns, one pass takes a set of them: each is then given the columns of
        the other sets, and those of its own that come before it.

        Args:
            x: (*batch, D), NaN in holes.
        """
        return self._by_rows(self._full_conditionals, x)

    def _full_conditionals(self, x: Tensor) -> Tensor:
        rows = x.reshape(-1, x.shape[-1]).t()
        each = torch.empty_like(rows)
        sets = torch.arange(len(rows), device=x.device).tensor_split(min(len(rows), PASSES))
        for k, columns in enumerate(sets):
            rank = self._last(columns, self.ranks[k % len(self.ranks)])
            each[columns] = self.conditionals(rows, rank)[columns]
        return each.t().reshape(x.shape)

    def _last(self, columns: Tensor, rank: Tensor) -> Tensor:
        """The order with some columns moved to its end."""
        late = torch.zeros_like(rank).index_fill(0, columns, 1)
        return (rank + len(rank) * late).argsort().argsort() + 1

    # -- density ---------------------------------------------------------------------------------

    def _log_prob(self, x: Tensor, context: Tensor | None) -> Tensor:
        rows = x.reshape(-1, x.shape[-1]).t()
        each = torch.stack([self.conditionals(rows, rank).sum(0) for rank in self.ranks])
        # -inf is so in every order, and would make the gradient NaN
        possible = each[0] > -math.inf
        total = torch.logsumexp(torch.where(possible, each, 0.0), 0) - math.log(len(self.ranks))
        return torch.where(possible, total, -math.inf).reshape(x.shape[:-1])

    def loss(self, x: Tensor, weight: Tensor | None = None) -> Tensor:
        """The mean of -log p(x) in one order that is drawn, with columns hidden at random.

        One half of the orders drawn are those of ``log_prob``, for its sake; the other half are
        any, as conditional distributions need them.

        Args:
            x: (rows, D), NaN in holes.
            weight: (rows,), with mean 1.

        Returns:
            A scalar; in evaluation mode, the mean over the orders of ``log_prob``, nothing hidden.
        """
        rows = x.t()
        if self.training:
            rank = self._drawn_rank()
            rate = torch.rand_like(rows[0]) * (torch.rand_like(rows[0]) < HIDDEN)
            log_prob = self.conditionals(rows, rank, torch.rand_like(rows) >= rate).sum(0)
        else:
            log_prob = torch.stack([self.conditionals(rows, r).sum(0) for r in self.ranks]).mean(0)
        return -(log_prob if weight is None else weight * log_prob).mean()

    def training_objective(self) -> Objective:
        return any_order_loss

    def _drawn_rank(self) -> Tensor:
        if float(torch.rand(())) < OF_DENSITY:
            return self.ranks[int(torch.randint(len(self.ranks), ()))]
        return torch.randperm(len(self.columns), device=self.ranks.device) + 1

    # -- samples ---------------------------------------------------------------------------------

    def _rsample(self, draw: Draw) -> Tensor:
        rows = math.prod(draw.batch)
        chosen = torch.randint(
            len(self.ranks), (rows,), generator=draw.generator, device=self.like.device
        )
        x = self.like.new_full((len(self.columns), rows), math.nan)
        for k, rank in enumerate(self.ranks):
            of_k = (chosen == k).nonzero()[:, 0]
            x[:, of_k] = self._filled(x[:, of_k], rank, draw.generator, lambda _: rank)[0]  # noqa: B023
        return x.t().reshape(*draw.batch, len(self.columns))

    def complete(self, x: Tensor, *, seed: Seed = None) -> Tensor:
        """x with its holes drawn, one column after another, given all that is there.

        Args:
            x: (rows, D), NaN in holes.
            seed: of the draws.
        """
        return self._completed(x, as_generator(seed, x.device), self.ranks[0])[0].t()

    def log_weight(self, x: Tensor, *, seed: Seed = None) -> Tensor:
        """log p(whole row) / q(holes) of one completion, (rows,): an importance weight.

        The order in which holes are drawn is drawn too, from those of ``log_prob``.

        Args:
            x: (rows, D), NaN in holes.
            seed: of the draws.
        """
        generator = as_generator(seed, x.device)
        k = int(torch.randint(len(self.ranks), (), generator=generator, device=x.device))
        whole, log_q = self._completed(x, generator, self.ranks[k])
        with torch.no_grad():
            weight: Tensor = self.log_prob(whole.t()) - log_q
            return weight

    @torch.no_grad()
    def _completed(
        self, x: Tensor, generator: torch.Generator | None, order: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Rows (D, rows) without holes, and the log-density of what was drawn (rows,)."""
        rows = x.t().clone()
        holes = rows.isnan()
        anywhere = holes.any(1, keepdim=True)
        if bool((holes == anywhere).all()):
            # what is there comes first, in an order as those of training
            rank = self._last(anywhere[:, 0].nonzero()[:, 0], order)
            return self._filled(rows, rank, generator, lambda _: rank)
        return self._filled(
            rows, order, generator, lambda i: self._last(order.new_tensor([i]), order)
        )

    def _filled(
        self,
        x: Tensor,
        order: Tensor,
        generator: torch.Generator | None,
        rank_for: Callable[[int], Tensor],
    ) -> tuple[Tensor, Tensor]:
        """x (D, rows) with every hole drawn, and the log-density of the draws (rows,).

        Columns are drawn in ``order``, each by the network in the rank for it.
        """
        size = self._rows_at_once(x.numel()) or max(x.shape[1], 1)
        parts = [self._filled_part(p, order, generator, rank_for) for p in x.split(size, dim=1)]
        return torch.cat([rows for rows, _ in parts], 1), torch.cat([log_q for _, log_q in parts])

    def _filled_part(
        self,
        x: Tensor,
        order: Tensor,
        generator: torch.Generator | None,
        rank_for: Callable[[int], Tensor],
    ) -> tuple[Tensor, Tensor]:
        log_q = torch.zeros_like(x[0])
        groups = self._groups()
        place = {p: (g, i) for g, each in enumerate(groups) for i, p in enumerate(each.positions)}
        for column in order.argsort().tolist():
            holes = x[column].isnan().nonzero()[:, 0]
            if not len(holes):
                continue
            g, i = place[column]
            rows, _, _, known = self._without_holes(x[:, holes])
            params = self._params(rows, known, rank_for(column))[g]
            # of all columns of the group: simpler than taking its buffers apart
            drawn = groups[g].sample(params, generator)
            x[column, holes] = drawn[i]
            log_q[holes] += groups[g].log_prob(drawn, params)[i]
        return x, log_q


def any_order_loss(
    model: AnyOrderFlow,
    x: Tensor,
    context: Tensor | None = None,  # noqa: ARG001  there is none
    weight: Tensor | None = None,
) -> Tensor:
    """``model.loss``, as an objective of ``fit``."""
    return model.loss(x, weight)


def _support(column: ColumnKind) -> Support:
    if isinstance(column, LevelColumn):
        return Integers(0, column.count - column.closed)
    if isinstance(column, AngleColumn):
        return Circle()
    if isinstance(column, NumberColumn) and column.step == 1 and not column.atoms:
        low, high = (round(b) if math.isfinite(b) else None for b in (column.low, column.high))
        # a support has no upper bound alone
        return Integers(low, high if low is not None else None)
    return Real()
