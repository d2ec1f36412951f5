"""What a green run means: planted faults, sound variants, and what the properties say of them."""

from attention_harness.audit.audit import LIMITS
from attention_harness.audit.run import Audited, run, select

__all__ = ["LIMITS", "Audited", "run", "select"]
