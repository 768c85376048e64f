"""What a model of clouds is, in words."""

from __future__ import annotations

from diffeo.flow import Flow
from diffeo.points.model import PointCloudFlow

__all__ = ["point_summary"]


def point_summary(model: PointCloudFlow | Flow) -> list[tuple[str, str]]:
    """Pairs of label and value.

    Example:
        >>> from diffeo.points import point_cloud_flow, point_summary
        >>> point_summary(point_cloud_flow(3, latent=4))[1]
        ('clouds', '1,024 points of 3 coordinates in the fit, any number in samples')
    """
    numbers = sum(parameter.numel() for parameter in model.parameters())
    found = [("model", type(model).__name__)]
    if isinstance(model, PointCloudFlow):
        found += [
            (
                "clouds",
                f"{model.count:,} points of {model.dim} coordinates in the fit, any number in "
                f"samples",
            ),
            ("code of a shape", f"{model.latent} numbers"),
            ("classes", ", ".join(model.classes) or "none"),
            ("units", "each cloud at radius 1" if model.normalised else "those of the data"),
        ]
    else:
        found.append(("points", f"{model.event_shape[0]} coordinates, on one surface"))
    found.append(("parameters", f"{numbers:,}"))
    record = model.record.get("clouds", {})
    if "held_out_nats" in record:
        error = record.get("held_out_error")
        off = "" if error is None else f" ± {error:.3f}"
        found.append(("held-out nats per point", f"{record['held_out_nats']:.4f}{off}"))
    data = model.record.get("data", {})
    if "rows" in data:
        what = "clouds" if isinstance(model, PointCloudFlow) else "points"
        said = f"{data['rows']:,} trained on, {data.get('validation_rows', 0):,} held out"
        found.append((f"{what} of the fit", said))
    return found
