"""A plain Hypothesis test: random shapes, random numbers, one comparison."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st

from attention_harness.audit.other_checks import check
from attention_harness.audit.other_checks._trials import Trial, plain, unlike
from attention_specs.attention.inputs import Inputs

EXAMPLES = 100
"""Hypothesis' default of max_examples."""
RTOL, ATOL = 1.3e-6, 1e-5
"""Of torch.testing.assert_close for float32."""

SOURCE = "HypothesisWorks/hypothesis, settings (max_examples=100); pytorch/pytorch, torch/testing/_comparison.py (assert_close)"


@st.composite
def calls(draw: st.DrawFn) -> Inputs:
    """Normal numbers in float32; half of them with a bool mask, half of them causal. Each query sees the first key.

    What a query gets that sees none differs among frameworks, so that such a test has to leave it out.
    """
    batch, heads = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    queries, keys, dim = (draw(st.integers(1, 64)) for _ in range(3))
    masked, causal, start = draw(st.booleans()), draw(st.booleans()), draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(start)
    q, k, v = (rng.standard_normal((batch, heads, n, dim), np.float32) for n in (queries, keys, keys))
    mask = rng.random((batch, heads, queries, keys)) < 0.5
    mask[..., 0] = True
    return Inputs(q, k, v, mask=mask if masked else None, is_causal=causal)


@check("Hypothesis and assert_close", source=SOURCE)
def random_shapes(seed: int) -> Iterator[Trial]:
    """100 examples, Hypothesis' default, against the plain formula in float32, by the rule of assert_close for float32.

    That is rtol 1.3e-6 and atol 1e-5. np.allclose has 1e-5 and 1e-8, by which each of 13 controls of
    `attention_harness.audit.controls` was rejected with each of ten seeds, for outputs near 0; by 1.3e-6 and 1e-5 one was, that of a
    matrix unit. Every function gets the same examples, since what Hypothesis draws does not depend on the test until it fails.
    """
    for number, x in enumerate(_examples(seed)):
        text = f"example {number}: q {list(x.q.shape)}, k {list(x.k.shape)}, mask {x.mask is not None}, causal {x.is_causal}"
        yield Trial(text, x, partial(_unlike, plain(x)))


def _unlike(wanted: np.ndarray, got: np.ndarray) -> str:
    return unlike(got, wanted, RTOL, ATOL)


def _examples(seed: int) -> list[Inputs]:
    examples: list[Inputs] = []

    @seeded(seed)
    @settings(
        max_examples=EXAMPLES, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    @given(calls())
    def each(x: Inputs) -> None:
        examples.append(x)

    each()
    return examples
