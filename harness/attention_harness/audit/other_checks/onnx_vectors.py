"""Fixed test vectors: those that onnx publishes for backends of its operator Attention."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from attention_harness.audit.other_checks import check
from attention_harness.audit.other_checks._trials import Trial, unlike
from attention_harness.generation.vectors.onnx_cases import published, translated
from attention_specs.attention.inputs import Inputs
from attention_specs.attention.spec import realise
from attention_specs.formats import numpy_dtype

RTOL, ATOL = 1e-3, 1e-7
RTOL_BFLOAT16 = 2.0**-6

SOURCE = "onnx/onnx, onnx/backend/test/case/node/attention.py; the rule in onnx/backend/test/runner/__init__.py"


@check("ONNX vectors", source=SOURCE, needs="onnx")
def published_vectors(seed: int) -> Iterator[Trial]:
    """All its cases of one node, with its rule: same shape and dtype, and assert_allclose with rtol 1e-3 and atol 1e-7.

    In bfloat16 its rtol is 2^-6. Judged are the output and, where a case has them and the function can return them, the weights.
    To a function without caches they are handed over with the keys, and causality behind them as a mask. The seed changes
    nothing. Left out: the copies that spell the operator out in others, and of the outputs the joined caches and the scores.
    """
    for p in published():
        x = realise(translated(p))
        yield Trial(p.name, x, partial(as_published, x), wanted=("return_weights",) if "weights" in x.answers else ())


def as_published(x: Inputs, got: np.ndarray | tuple[np.ndarray, ...]) -> str:
    """The difference between the answer and the published one."""
    answers = dict(zip(("out", "weights"), got if isinstance(got, tuple) else (got,), strict=False))
    rtol = RTOL_BFLOAT16 if x.dtype == "bfloat16" else RTOL
    return next(filter(None, (unlike(a, _published(x, name), rtol, ATOL, equal_nan=True) for name, a in answers.items())), "")


def _published(x: Inputs, name: str) -> np.ndarray:
    return x.answers[name].astype(numpy_dtype(x.dtype))
