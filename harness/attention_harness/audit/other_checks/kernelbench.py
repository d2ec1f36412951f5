"""KernelBench: five random inputs of one shape and `torch.allclose`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from attention_harness.audit.other_checks import check
from attention_harness.audit.other_checks._trials import Trial, plain, unlike
from attention_specs.attention.inputs import Inputs

TRIALS = 5
"""num_correct_trials in its scripts."""
TOLERANCE = 1e-4
"""Both rtol and atol for float32; 1e-2 in versions 0 and 0.1, and for float16 and bfloat16."""
BATCH, HEADS = 2, 2

SOURCE = "ScalingIntelligence/KernelBench, src/kernelbench/eval.py at 423217d (Ouyang et al. 2025, arXiv 2502.10517)"


@check("KernelBench", source=SOURCE)
def five_random_inputs_of_one_shape(seed: int) -> Iterator[Trial]:
    """Shape, then torch.allclose with 1e-4 for both tolerances, its own for float32, the default precision; on two problems.

    level1/97: q, k, v uniform in [0, 1), [32, 32, 512, 1024], no options. level3/43: causal, [128, 8, 512, 96], q, k and v from
    one projection of x uniform in [0, 1), [128, 512, 768]. Scaled: batch and heads, to 2 and 2. The layer of level3/43 is judged
    before its second projection. Left out: level3/31, with 16384 x 16384 scores a head, and models that contain an attention.
    """
    for problem in (scaled_dot_product_attention, causal_attention):
        for trial in range(TRIALS):
            x = problem(np.random.default_rng((seed, trial)))
            yield Trial(f"{problem.__name__}, trial {trial + 1}", x, partial(allclose, plain(x)))


def allclose(wanted: np.ndarray, got: np.ndarray) -> str:
    """torch.allclose(output, output_new): relative to the new output, and an error where shapes or dtypes differ."""
    return unlike(got, wanted, TOLERANCE, TOLERANCE, base=got)


def scaled_dot_product_attention(rng: np.random.Generator) -> Inputs:
    """level1/97."""
    q, k, v = (rng.random((BATCH, HEADS, 512, 1024), np.float32) for _ in range(3))
    return Inputs(q, k, v)


def causal_attention(rng: np.random.Generator) -> Inputs:
    """level3/43: torch.nn.Linear draws weights and bias uniform in +-1/sqrt(768); those of a trial are drawn with its input."""
    width, dim = 768, 96
    x = rng.random((BATCH, 512, width), np.float32)
    limit = width**-0.5
    weight, bias = (rng.uniform(-limit, limit, (n, 3 * HEADS * dim)).astype(np.float32) for n in (width, 1))
    parts = np.split(x @ weight + bias, 3, axis=-1)
    q, k, v = (part.reshape(BATCH, 512, HEADS, dim).swapaxes(1, 2) for part in parts)
    return Inputs(q, k, v, is_causal=True)
