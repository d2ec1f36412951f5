"""The distance of every two implementations on the same cases, in units of the larger of their two bounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from pathlib import Path

import numpy as np

from attention_harness.conformance.failures.reproducers import file_name
from attention_specs.case import Case
from attention_specs.spec import Expected


@dataclass(frozen=True, eq=False)
class ErrorSample:
    """The errors of one case, their bounds and the exact answer: of the rows that see a key, float64."""

    error: np.ndarray
    bound: np.ndarray
    exact: np.ndarray

    @classmethod
    def measured(cls, out: np.ndarray, expected: Expected) -> ErrorSample:
        """That of an answer, beside the right one."""
        seen = ~expected.exact.empty
        arrays = out.astype(expected.out.dtype) - expected.out, expected.bounds.out, expected.out
        return cls(*(a[seen].astype(np.float64) for a in arrays))

    def of_one_question(self, other: ErrorSample) -> bool:
        """Whether the exact answers are those of one question; declarations such as an alignment make two questions of a case."""
        if self.exact.shape != other.exact.shape:
            return False
        with np.errstate(invalid="ignore"):  # equal infinities have no difference
            near = np.abs(self.exact - other.exact) <= np.minimum(self.bound, other.bound)
        return bool(np.all((self.exact == other.exact) | near))


@dataclass(frozen=True)
class ErrorSamples:
    """The samples of one implementation, by the id of the case."""

    name: str
    spec: str
    cases: dict[str, ErrorSample]

    def shared_with(self, other: ErrorSamples) -> list[str]:
        """The cases that asked both the same question."""
        both = sorted(self.cases.keys() & other.cases.keys())
        return [case for case in both if self.cases[case].of_one_question(other.cases[case])]


ARRAYS = ("error", "bound", "exact")
"""Arrays of a sample, in the file that has those of a check."""

SAMPLES = 60
"""Cases of which the errors are kept."""

SAMPLE_SIZE = 20_000
"""Elements of an output that is kept."""


class ErrorRecorder:
    """The errors of one implementation while it is checked."""

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray] = {}

    @property
    def full(self) -> bool:
        """Whether enough cases are kept."""
        return len(self.arrays) >= len(ARRAYS) * SAMPLES

    def wants(self, out: np.ndarray) -> bool:
        """Whether those of this answer are kept: of the first cases of few elements."""
        return not self.full and 0 < out.size <= SAMPLE_SIZE

    def add(self, case: Case, sample: ErrorSample) -> None:
        """Keeps those of a case, unless there are enough."""
        if not self.full:
            self.arrays |= {f"{case.id} {name}": getattr(sample, name) for name in ARRAYS}

    def save(self, folder: Path, name: str) -> None:
        """Writes them where `load` finds them."""
        path = sample_path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, **self.arrays)  # type: ignore[arg-type]


def sample_path(folder: Path, name: str) -> Path:
    """Where the errors of an implementation lie while a run lasts."""
    return folder / "agreement" / f"{file_name(name)}.npz"


def load(folder: Path, name: str, spec: str) -> ErrorSamples:
    """The errors that a check kept; empty if it kept none."""
    path = sample_path(folder, name)
    if not path.exists():
        return ErrorSamples(name, spec, {})
    with np.load(path) as arrays:
        ids = [key.removesuffix(" error") for key in arrays.files if key.endswith(" error")]
        return ErrorSamples(name, spec, {case: ErrorSample(*(arrays[f"{case} {array}"] for array in ARRAYS)) for case in ids})


def agreement(samples: Sequence[ErrorSamples]) -> list[dict[str, object]]:
    """One row for each two implementations of a spec, and for each with itself, where its distance is to the oracle."""
    pairs = [(a, b) for a, b in combinations_with_replacement(samples, 2) if a.spec == b.spec]
    return [_row(a, b, shared) for a, b in pairs if (shared := a.shared_with(b))]


def _row(a: ErrorSamples, b: ErrorSamples, shared: Sequence[str]) -> dict[str, object]:
    distances = {case: _distance(a.cases[case], None if a is b else b.cases[case]) for case in shared}
    worst = max(shared, key=lambda case: distances[case])
    return {"a": a.name, "b": b.name, "spec": a.spec, "cases": len(shared), "worst_ratio": distances[worst], "case": worst}


def _distance(one: ErrorSample, other: ErrorSample | None) -> float:
    """Errors are differences to the same exact answer, so their difference is that of the outputs. NaN counts as infinite."""
    if not one.error.size:
        return 0.0
    with np.errstate(all="ignore"):
        error, bound = (one.error, one.bound) if other is None else (one.error - other.error, np.maximum(one.bound, other.bound))
        apart = np.abs(error) / bound
    return float(np.max(np.nan_to_num(apart, nan=np.inf, posinf=np.inf)))
