"""Flows for other runtimes: a module that samples from given noise, and ONNX files."""

from __future__ import annotations

import os
import warnings

import torch
from torch import Tensor, nn

from diffeo.density import Density
from diffeo.errors import import_extra
from diffeo.files import replacing
from diffeo.flow import Flow

__all__ = ["Sampler", "to_onnx"]

EXAMPLE_ROWS = 3


class Sampler(nn.Module):
    """A flow as a module whose call turns noise into samples, for ``torch.export`` and the like.

    x = flow.from_base(z, context). (A flow's own call is its ``log_prob``.)

    Args:
        flow: the flow.

    Shapes: z (*batch, *base.event_shape), context (*batch, context) -> x (*batch, *event_shape).

    Raises:
        TypeError: a density that is not a Flow, and so has no noise to start from.

    Example:
        >>> import torch, diffeo
        >>> from diffeo.export import Sampler
        >>> sampler = Sampler(diffeo.RealNVP(features=2))
        >>> program = torch.export.export(sampler, (torch.randn(3, 2),))
        >>> program.module()(torch.randn(3, 2)).shape
        torch.Size([3, 2])
    """

    def __init__(self, flow: Flow) -> None:
        super().__init__()
        if not isinstance(flow, Flow):
            raise TypeError(f"Sampler needs a Flow, got {type(flow).__name__}")
        self.flow = flow

    def forward(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """Samples that belong to the noise ``z``."""
        return self.flow.from_base(z, context)


def to_onnx(density: Density, path: str | os.PathLike[str], *, sampling: bool = False) -> None:
    """Write ``log_prob``, or sampling from given noise, to an ONNX file, atomically.

    The file's inputs are ``x`` (or ``z``, the noise) and, for a conditional density, ``context``;
    the number of rows is free. Its output is ``log_prob`` (or ``x``). Works for RealNVP and NSF,
    and for what else is made of operations that ONNX has.

    Args:
        density: what to export.
        path: the file to write.
        sampling: export sampling from noise in place of ``log_prob``; for a Flow only.

    Raises:
        MissingExtraError: the extra ``onnx`` is not installed.
        TypeError: sampling of a density that is not a Flow.
        torch.onnx.OnnxExporterError: an operation that ONNX does not have.
        OSError: the file cannot be written; then nothing is left behind.

    Example:
        >>> import diffeo
        >>> from diffeo.export import to_onnx
        >>> to_onnx(diffeo.RealNVP(features=2), "density.onnx")  # doctest: +SKIP
    """
    for package in ("onnx", "onnxscript"):
        import_extra(package, "onnx")
    module: nn.Module = density
    event_shape = density.event_shape
    if sampling:
        module = Sampler(density)  # type: ignore[arg-type]
        event_shape = module.flow.base.event_shape
    inputs = {"z" if sampling else "x": density.like.new_zeros(EXAMPLE_ROWS, *event_shape)}
    if density.context:
        inputs["context"] = density.like.new_zeros(EXAMPLE_ROWS, density.context)
    rows = torch.export.Dim("rows")
    was_training = density.training
    # opened first: an impossible path should not cost an export
    with replacing(path) as temporary, warnings.catch_warnings():
        # the exporter warns about its own internals
        warnings.simplefilter("ignore")
        try:
            program = torch.onnx.export(
                module.eval(),
                kwargs=inputs,
                dynamo=True,
                dynamic_shapes={name: {0: rows} for name in inputs},
                input_names=list(inputs),
                output_names=["x" if sampling else "log_prob"],
                verbose=False,
            )
        finally:
            module.train(was_training)
        assert program is not None
        program.save(temporary, external_data=False)
