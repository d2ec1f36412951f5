"""The steps that leave the range of a merge's declared formats: its numbers, and the difference of two outputs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from attention_specs.attention.ranges import Step, data, first, narrow
from attention_specs.merge.inputs import MergeInputs
from attention_specs.precision import Precision


def beyond(x: MergeInputs, p: Precision) -> str:
    """The first step of a call that may leave the range of its format, in words; nothing if none does."""
    return first(data(x.parts()[0], p), _steps(x, p))


def _steps(x: MergeInputs, p: Precision) -> Iterator[Step]:
    if narrow(p.sums, p):
        outs, lses = (np.abs(np.where(np.isfinite(a), a, 0)).astype(np.float64) for a in x.parts())
        yield "the difference of two outputs", 2 * outs.sum(0), p.sums
        yield "a log-sum-exp", 2 * lses.sum(0), p.sums
