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


@dataclass(frozen=True)
class ErrorSamples:
    """The errors and bounds of one implementation: case id -> (error, bound), of the visible elements."""

    name: str
    spec: str
    cases: dict[str, tuple[np.ndarray, np.ndarray]]


SAMPLES = 60
"""Cases of which the errors are kept."""

SAMPLE_SIZE = 20_000
"""Elements of an output that is kept."""


@dataclass(frozen=True)
class ErrorSample:
    """The error of each visible element of an answer, and its bound: float64, [elements]."""

    error: np.ndarray
    bound: np.ndarray

    @classmethod
    def measured(cls, out: np.ndarray, expected: Expected) -> ErrorSample:
        """That of an answer, beside the right one."""
        seen = ~expected.exact.empty
        error = (out.astype(expected.out.dtype) - expected.out)[seen].astype(np.float64)
        return cls(error, expected.bounds.out[seen].astype(np.float64))


class ErrorRecorder:
    """The errors of one implementation while it is checked."""

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray] = {}

    def wants(self, out: np.ndarray) -> bool:
        """Whether those of this answer are kept: of the first cases of few elements."""
        return len(self.arrays) < 2 * SAMPLES and 0 < out.size <= SAMPLE_SIZE

    def add(self, case: Case, sample: ErrorSample) -> None:
        """Keeps those of a case, unless there are enough."""
        if len(self.arrays) < 2 * SAMPLES:
            self.arrays |= {f"{case.id} error": sample.error, f"{case.id} bound": sample.bound}

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
        return ErrorSamples(name, spec, {case: (arrays[f"{case} error"], arrays[f"{case} bound"]) for case in ids})


def agreement(samples: Sequence[ErrorSamples]) -> list[dict[str, object]]:
    """One row for each two implementations of a spec, and for each with itself, where its distance is to the oracle."""
    pairs = combinations_with_replacement(samples, 2)
    return [_row(a, b) for a, b in pairs if a.spec == b.spec and a.cases.keys() & b.cases.keys()]


def _row(a: ErrorSamples, b: ErrorSamples) -> dict[str, object]:
    shared = sorted(a.cases.keys() & b.cases.keys())
    distances = {case: _distance(*a.cases[case], *(b.cases[case] if a is not b else (0.0, 0.0))) for case in shared}
    worst = max(shared, key=lambda case: distances[case])
    return {"a": a.name, "b": b.name, "spec": a.spec, "cases": len(shared), "worst_ratio": distances[worst], "case": worst}


def _distance(error: np.ndarray, bound: np.ndarray, other: np.ndarray | float, its_bound: np.ndarray | float) -> float:
    """Errors are differences to the same exact answer, so their difference is that of the outputs. NaN counts as infinite."""
    if not error.size:
        return 0.0
    with np.errstate(all="ignore"):
        apart = np.abs(error - other) / np.maximum(bound, its_bound)
    return float(np.max(np.nan_to_num(apart, nan=np.inf, posinf=np.inf)))
