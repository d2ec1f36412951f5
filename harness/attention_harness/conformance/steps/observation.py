"""What one step of a check saw: data, so that it can be counted at another time, and in another process."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self
from zlib import compress, decompress
from zlib import error as Damaged

import numpy as np

from attention_harness.conformance.agreement import ErrorSample
from attention_harness.conformance.judging import Finding
from attention_harness.conformance.precision_fit import PrecisionFit
from attention_harness.errors import Outcome
from attention_harness.process.schema import decoded, encoded
from attention_specs.judge import Verdict
from attention_specs.property import PROPERTIES


@dataclass(frozen=True)
class Judged:
    """A finding as data."""

    name: str
    """Of the property."""
    outcome: str
    seconds: float
    ratio: float
    message: str
    vacuous: bool
    samples: list[list[float]]
    where: list[int]

    @classmethod
    def of(cls, finding: Finding) -> Self:
        """That of a finding."""
        verdict = finding.verdict
        samples, where = [[float(n) for n in sample] for sample in verdict.samples], [int(n) for n in verdict.where]
        name, outcome = finding.property_.name, str(finding.outcome)
        ratio, vacuous = float(verdict.ratio), bool(verdict.vacuous)
        return cls(name, outcome, finding.seconds, ratio, verdict.message, vacuous, samples, where)

    @property
    def finding(self) -> Finding:
        """The finding again. KeyError or ValueError for a property or an outcome of another version."""
        samples = tuple(tuple(sample) for sample in self.samples)
        verdict = Verdict(self.ratio, self.message, self.vacuous, samples, tuple(self.where))
        return Finding(PROPERTIES[self.name], Outcome(self.outcome), verdict, self.seconds)


@dataclass
class Observation:
    """The findings on one case, and the measurements of its answer."""

    judged: list[Judged] = field(default_factory=list)
    later: list[Judged] = field(default_factory=list)
    """By the gates, on a call that no property made."""
    covered: list[tuple[str, str]] | None = None
    """Regions and values; None where they do not count."""
    refusal: str = ""
    """Of the dtype, where that is asked."""
    fit: PrecisionFit | None = None
    error: ErrorSample | None = None
    worked_example: list[list[float]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """Ours, one sentence each."""
    seconds: float = 0.0
    call: float = 0.0
    """Seconds of a call of a slow function; 0 of others."""

    def note(self, findings: Iterable[Finding]) -> list[Finding]:
        """Keeps the findings, and returns them."""
        kept = list(findings)
        self.judged = [Judged.of(finding) for finding in kept]
        return kept

    def written(self, step: str) -> str:
        """A line of JSON that `read` takes."""
        document, parts = encoded(self)
        data = b64encode(compress(b"".join(parts))).decode() if parts else ""
        return f'{{"step": {json.dumps(step)}, "data": "{data}", "seen": {document.decode()}}}'


def read(line: str) -> Observation | None:
    """The observation in a line; None where that is of another version, or damaged."""
    try:
        given = json.loads(line)
        data = decompress(b64decode(given["data"])) if given["data"] else b""
        memory = np.frombuffer(bytearray(data), np.uint8)
        seen = decoded(Observation, json.dumps(given["seen"]).encode(), memory)
        [judged.finding for judged in (*seen.judged, *seen.later)]
    except (KeyError, TypeError, ValueError, Damaged):
        return None
    return seen
