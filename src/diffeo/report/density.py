"""A picture of a density in two dimensions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from diffeo.arrays import ArrayLike, to_tensor
from diffeo.density import Density
from diffeo.errors import ShapeError, import_extra

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Bounds", "plot_density"]

Bounds = tuple[tuple[float, float], tuple[float, float]]


def plot_density(
    density: Density,
    *,
    bounds: Bounds | None = None,
    context: ArrayLike | None = None,
    ax: Axes | None = None,
    points: int = 200,
) -> Figure:
    """Draw a two-dimensional density as an image.

    Args:
        density: a flow, a mixture, a base or any other density of events of shape (2,).
        bounds: ((low, high), (low, high)) of the two axes; by default where the samples lie.
        context: (context,), the one context to draw a conditional density at.
        ax: axes to draw on; by default those of a new figure.
        points: pixels along each axis.

    Returns:
        The figure, which a notebook shows and ``savefig`` saves.

    Raises:
        MissingExtraError: matplotlib is not installed.
        ShapeError: a density of other events, or a context that is not one vector.
        ContextError: a missing context, or one of another width.
        ValueError: bounds that are not two finite intervals, or fewer than two points.

    Example:
        >>> import torch, diffeo
        >>> from diffeo.report import plot_density
        >>> figure = plot_density(diffeo.bases.StandardNormal(2), points=50)
    """
    _check(density, bounds, points)
    given = None if context is None else _one_context(density, context)
    (left, right), (bottom, top) = _where_samples_lie(density, given) if bounds is None else bounds
    if ax is None:
        ax = (
            import_extra("matplotlib.figure", "report")
            .Figure(figsize=(5, 4), layout="constrained")
            .subplots()
        )
    image = ax.imshow(
        _values(density, given, (left, right), (bottom, top), points).numpy(),
        extent=(left, right, bottom, top),
        origin="lower",
        aspect="auto",
        interpolation="bilinear",
    )
    figure: Any = ax.figure
    figure.colorbar(image, ax=ax, label="density")
    return figure


def _check(density: Density, bounds: Bounds | None, points: int) -> None:
    if density.event_shape != (2,):
        raise ShapeError(
            f"plot_density draws densities of two features, "
            f"but {type(density).__name__} has events of shape {density.event_shape}"
        )
    if points < 2:
        raise ValueError(f"points must be at least 2, got {points}")
    if bounds is not None and not _are_bounds(bounds):
        raise ValueError(
            f"bounds must be ((low, high), (low, high)), finite and with low < high, got {bounds}"
        )


def _are_bounds(bounds: Bounds) -> bool:
    try:
        return all(math.isfinite(high - low) and low < high for low, high in bounds) and (
            len(bounds) == 2
        )
    except (TypeError, ValueError):
        return False


def _one_context(density: Density, context: ArrayLike) -> Tensor:
    tensor = to_tensor(context, density.like, "context")
    if tensor.ndim != 1:
        raise ShapeError(
            f"plot_density draws one context of shape ({density.context},), "
            f"got one of shape {tuple(tensor.shape)}"
        )
    return tensor


def _where_samples_lie(density: Density, context: Tensor | None) -> Bounds:
    """Central 99 % of the samples along each axis, and a margin."""
    samples = density.sample(4000, context, seed=0)
    low, high = samples.quantile(samples.new_tensor([0.005, 0.995]), dim=0)
    margin = 0.15 * (high - low)
    (left, bottom), (right, top) = (low - margin).tolist(), (high + margin).tolist()
    return (left, right), (bottom, top)


@torch.no_grad()
def _values(
    density: Density,
    context: Tensor | None,
    across: tuple[float, float],
    up: tuple[float, float],
    points: int,
) -> Tensor:
    """The density (points, points) at the centres of the pixels, first row lowest."""
    x, y = (_centres(*edges, points).to(density.like) for edges in (across, up))
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)
    # row by row, so that a large picture needs little memory
    values: Tensor = torch.stack([density.log_prob(row, context) for row in grid]).exp()
    return values.cpu()


def _centres(low: float, high: float, points: int) -> Tensor:
    half = (high - low) / points / 2
    return torch.linspace(low + half, high - half, points, dtype=torch.float64)
