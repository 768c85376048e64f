"""A density that factorises by a given graph."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from diffeo.errors import ShapeError
from diffeo.graphs import Adjacency, as_adjacency, separated
from diffeo.models.assembly import LayeredFlow, Supports, supports_of
from diffeo.supports import Real
from diffeo.transform import Transform
from diffeo.transforms import Inverse, MaskedAutoregressive
from diffeo.univariates import RationalQuadraticSpline
from diffeo.univariates.univariate import Univariate

__all__ = ["GraphicalFlow"]


class GraphicalFlow(LayeredFlow):
    """A Bayesian network of flows: a density that factorises by a directed graph without cycles,

        p(x | c) = prod_i p(x_i | x_parents(i), c),

    exactly and whatever the weights. It is one masked autoregressive layer, as a second one would
    bring in the parents' parents; each factor is as free as its univariate. A density takes one
    network pass, a sample one for each generation of the graph.

    Args:
        features: number of features D.
        adjacency: D rows of D booleans, adjacency[i][j] true where j is a parent of i.
        univariate: the map of the reals that makes each factor; by default a spline.
        context: width of the context; 0 for an unconditional density.
        hidden: hidden widths of the masked network.
        supports: one support for all features, or one for each; None for the reals.
        seed: seed of the initial weights; None draws from torch's global generator.

    Shapes: x (*batch, D), context (*batch, context).

    Raises:
        ShapeError: an adjacency of another shape or with a cycle, which the message shows; a
            support of several columns, which would tie them together; a univariate that is not one
            of the reals.

    Reference: "Graphical Normalizing Flows", Wehenkel, Louppe, 2020, arXiv:2006.02548.

    Example:
        Two causes of one effect are independent, until the effect is known:

        >>> import torch, diffeo
        >>> adjacency = [[False, False, False], [False, False, False], [True, True, False]]
        >>> flow = diffeo.GraphicalFlow(3, adjacency)
        >>> flow.log_prob(torch.zeros(5, 3)).shape
        torch.Size([5])
        >>> flow.independent(0, 1), flow.independent(0, 1, given=[2])
        (True, False)
    """

    def __init__(
        self,
        features: int,
        adjacency: Adjacency,
        *,
        univariate: Univariate | None = None,
        context: int = 0,
        hidden: Sequence[int] = (128, 128),
        supports: Supports = None,
        seed: int | None = None,
    ) -> None:
        for support in supports_of("GraphicalFlow", features, supports):
            if support.columns > 1:
                raise ShapeError(
                    f"GraphicalFlow: {support!r} ties {support.columns} columns together, which "
                    f"no graph of single columns allows"
                )
        factor = RationalQuadraticSpline() if univariate is None else univariate
        if not (isinstance(factor.domain, Real) and isinstance(factor.codomain, Real)):
            raise ShapeError(
                f"GraphicalFlow: its univariate must map the reals onto the reals, got {factor!r}, "
                f"from {factor.domain!r} to {factor.codomain!r}"
            )

        def build(_: int, width: int) -> Transform:
            return Inverse(
                MaskedAutoregressive(
                    width, factor, adjacency=adjacency, context=context, hidden=hidden
                )
            )

        super().__init__(
            features,
            build,
            layers=1,
            context=context,
            supports=supports,
            base=None,
            seed=seed,
            reversible=False,
        )
        self._graph = as_adjacency("GraphicalFlow", adjacency, features)

    def independent(self, a: int, b: int, given: Iterable[int] = ()) -> bool:
        """Whether the graph says that features a and b are independent given others (d-separation).

        Where it does, they are so under every weight; where it does not, they need not depend.

        Raises:
            ValueError: features that are not among 0..D-1, or the same one twice.
        """
        known = list(given)
        named = [a, b, *known]
        if len({*named} & {*range(len(self._graph))}) != len(named):
            raise ValueError(
                f"independent: a, b and given must be different features of 0.."
                f"{len(self._graph) - 1}, got {a}, {b} and {known}"
            )
        return separated(self._graph, a, b, known)
