"""Audits: a transform or a density compared with what its contract promises."""

from diffeo.audit.copies import perturbed
from diffeo.audit.flows import check_flow
from diffeo.audit.report import Check, Report
from diffeo.audit.surjections import check_surjection
from diffeo.audit.transforms import check_transform

__all__ = ["Check", "Report", "check_flow", "check_surjection", "check_transform", "perturbed"]
