"""Functions from a density (and data) to a scalar loss."""

from diffeo.objectives.likelihood import negative_log_likelihood

__all__ = ["negative_log_likelihood"]
