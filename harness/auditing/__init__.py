"""What a green run means: planted faults, sound variants, and what the properties say of them."""

from harness.auditing.audit import LIMITS
from harness.auditing.running import Audited, named, run

__all__ = ["LIMITS", "Audited", "named", "run"]
