"""Planted faults and controls under the properties: the meaning of a green run."""

from attention_harness.audit.audit import LIMITS
from attention_harness.audit.run import Audited, run, select

__all__ = ["LIMITS", "Audited", "run", "select"]
