"""The ordinary form of a property test, to be compared with: a Hypothesis test for each property, shapes of its own, one number
for the tolerance.

    python tests/benchmarks/ordinary_form.py IMPLEMENTATION EXAMPLES

Prints the number of judgements.
"""

from __future__ import annotations

import sys

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attention_harness import frameworks
from attention_harness.audit.other_checks._tolerances import TOLERANCES
from attention_harness.registry.loading import load
from attention_harness.registry.targets import resolve

USUAL = next(one for one in TOLERANCES if one.name.startswith("KernelBench, float32"))
SHAPES = st.tuples(*(st.integers(1, most) for most in (3, 3, 33, 33, 16)))
"""Batch, heads, queries, keys, head dim."""


class OrdinaryForm:
    """Ten properties of one function, and the number of their judgements."""

    def __init__(self, name: str) -> None:
        (target,) = resolve([name])
        self.function, description = load(target.name, target.location)
        self.framework, self.judgements = frameworks.load(description.framework), 0

    def attend(self, *arrays, **options):
        given = [self.framework.from_numpy(a, "cpu") for a in arrays]
        masks = {n: self.framework.from_numpy(o, "cpu") if isinstance(o, np.ndarray) else o for n, o in options.items()}
        return self.framework.to_numpy(self.function(*given, **masks))

    def judge(self, got, wanted):
        self.judgements += 1
        assert USUAL.accepts(got, wanted)

    def agrees_with_the_formula(self, q, k, v, mask):
        scores = np.where(mask, q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1]), -np.inf)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        self.judge(self.attend(q, k, v, mask=mask), weights / weights.sum(-1, keepdims=True) @ v)

    def constant_values_come_back(self, q, k, v, mask):
        self.judge(self.attend(q, k, np.ones_like(v), mask=mask), np.ones((*q.shape[:3], v.shape[3])))

    def batch_entries_are_independent(self, q, k, v, mask):
        self.judge(self.attend(q[::-1], k[::-1], v[::-1], mask=mask[::-1]), self.attend(q, k, v, mask=mask)[::-1])

    def heads_are_independent(self, q, k, v, mask):
        turned = [np.ascontiguousarray(a[:, ::-1]) for a in (q, k, v, mask)]
        self.judge(self.attend(*turned[:3], mask=turned[3]), self.attend(q, k, v, mask=mask)[:, ::-1])

    def the_order_of_keys_does_not_matter(self, q, k, v, mask):
        k_, v_, mask_ = (np.ascontiguousarray(np.flip(a, axis)) for a, axis in ((k, 2), (v, 2), (mask, 3)))
        self.judge(self.attend(q, k_, v_, mask=mask_), self.attend(q, k, v, mask=mask))

    def masked_keys_have_no_influence(self, q, k, v, mask):
        hidden = ~mask.any((1, 2))[:, None, :, None]
        self.judge(self.attend(q, np.where(hidden, 9, k), np.where(hidden, 9, v), mask=mask), self.attend(q, k, v, mask=mask))

    def causal_is_a_mask(self, q, k, v, mask):
        causal = np.tril(np.ones((q.shape[2], k.shape[2]), bool))[None, None]
        self.judge(self.attend(q, k, v, is_causal=True), self.attend(q, k, v, mask=causal))

    def scale_folds_into_the_query(self, q, k, v, mask):
        self.judge(self.attend(q, k, v, mask=mask, scale=0.5), self.attend(q * np.float32(0.5), k, v, mask=mask, scale=1.0))

    def doubling_the_values_doubles_the_output(self, q, k, v, mask):
        self.judge(self.attend(q, k, 2 * v, mask=mask), 2 * self.attend(q, k, v, mask=mask))

    def query_rows_are_independent(self, q, k, v, mask):
        self.judge(self.attend(q[:, :, :1], k, v, mask=mask[:, :, :1]), self.attend(q, k, v, mask=mask)[:, :, :1])

    def run(self, examples):
        for name, property_ in vars(OrdinaryForm).items():
            if name.count("_") > 1 and not name.startswith("_"):
                self.test_of(property_, examples)()

    def test_of(self, property_, examples):
        @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(SHAPES, st.integers(0, 2**32 - 1))
        def holds(shape, seed):
            property_(self, *arrays(shape, seed))

        return holds


def arrays(shape, seed):
    """q, k, v and a mask that leaves each query a key."""
    batch, heads, queries, keys, dim = shape
    rng = np.random.default_rng(seed)
    q, k, v = (rng.standard_normal((batch, heads, n, dim)).astype(np.float32) for n in (queries, keys, keys))
    mask = rng.random((batch, heads, queries, keys)) < 0.7
    mask[..., 0] = True
    return q, k, v, mask


if __name__ == "__main__":
    form = OrdinaryForm(sys.argv[1])
    form.run(int(sys.argv[2]))
    print(form.judgements)
