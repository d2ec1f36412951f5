"""The tolerances by which outputs of attention are compared today, and which wrong outputs each of them lets through.

The table stands in `docs/assert-attention-close.md`. Keys and values are standard normal, one query a head, as in a step of decoding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from attention_harness.conformance.closeness.assertion import assert_attention_close
from attention_implementations.numpy.online import online
from attention_specs.attention.inputs import Inputs
from attention_specs.attention.oracle import attention

LENGTHS = (64, 1024, 8192)
"""Numbers of keys."""
HEADS, DIM = 16, 128
DRAWS = 2


@dataclass(frozen=True)
class Tolerance:
    """An element is wrong unless |out - right| <= atol + rtol |right|; a share of them may be wrong by any size."""

    name: str
    rtol: float
    atol: float
    source: str
    wrong: float = 0.0

    def accepts(self, out: np.ndarray, right: np.ndarray) -> bool:
        """Whether the output passes beside the right one."""
        beyond = ~(np.abs(out - right) <= self.atol + self.rtol * np.abs(right))
        return bool(beyond.mean() <= self.wrong)


def tolerance(name: str, size: float, source: str, wrong: float = 0.0) -> Tolerance:
    """One with the same number for both."""
    return Tolerance(name, size, size, source, wrong)


TOLERANCES = (
    Tolerance("`np.allclose`, as it comes", 1e-5, 1e-8, "numpy/numpy, `numpy/_core/numeric.py`"),
    Tolerance("`torch.testing.assert_close`, float32", 1.3e-6, 1e-5, "pytorch/pytorch, `torch/testing/_comparison.py`"),
    tolerance("KernelBench, float32: 1e-4", 1e-4, "ScalingIntelligence/KernelBench, `src/kernelbench/eval.py` at 423217d"),
    tolerance("KernelBench, 16 bits: 1e-2", 1e-2, "the same"),
    tolerance("SOL-ExecBench: 1e-2, 1 % wrong", 1e-2, "NVIDIA/SOL-ExecBench, `core/data/workload.py` at 8d2237d", 0.01),
    tolerance("aiter: 1e-2, 5 % wrong", 1e-2, "ROCm/aiter, `aiter/test_common.py`", 0.05),
    tolerance("SGLang, float8: 0.2", 0.2, "sgl-project/sglang#26517"),
    tolerance(
        "GPU MODE, mixed-mla: 0.1, 5 % wrong", 0.1, "gpu-mode/reference-kernels, `problems/amd_202602/utils.py` at f83cb92", 0.05
    ),
)  # fmt: skip
NAMES = tuple(one.name for one in TOLERANCES)
DERIVED = "`assert_attention_close`"


def _of(x: Inputs) -> np.ndarray:
    return attention(x).out


def _with_a_sink(x: Inputs) -> np.ndarray:
    return _of(x.replace(sinks=np.ones(x.q.shape[1], x.q.dtype)))


def _without_the_last_channels(x: Inputs) -> np.ndarray:
    return _of(x.replace(q=x.q * (np.arange(DIM) < DIM - 16).astype(x.q.dtype)))


def _scaled(factor: float) -> Callable[[Inputs], np.ndarray]:
    return lambda x: _of(x.replace(scale=factor * DIM**-0.5))


def _of_keys(kept: Callable[[int], int]) -> Callable[[Inputs], np.ndarray]:
    return lambda x: _of(x.replace(k=x.k[:, :, : kept(x.k.shape[2])], v=x.v[:, :, : kept(x.k.shape[2])]))


OUTPUTS: dict[str, Callable[[Inputs], np.ndarray]] = {
    "right, by 64 keys at a time": lambda x: np.asarray(online(64)(x.q, x.k, x.v)),
    "zeros": lambda x: np.zeros(x.output_shape),
    "the mean of the values": lambda x: x.v.astype(float).mean(2, keepdims=True),
    "half of the keys": _of_keys(lambda n: n // 2),
    "the last key dropped": _of_keys(lambda n: n - 1),
    "scale times 1.5": _scaled(1.5),
    "scale times 1.05": _scaled(1.05),
    "a sink of logit 1 counted": _with_a_sink,
    "16 of 128 channels ignored": _without_the_last_channels,
}
"""An output that is right, and wrong ones, all rounded to float32."""


@dataclass(frozen=True, eq=False)
class Step:
    """One query of each of 16 heads, the right answer, and the outputs by name."""

    x: Inputs
    right: np.ndarray
    outputs: dict[str, np.ndarray]


def step(keys: int, draw: int) -> Step:
    """With so many keys, of normal numbers."""
    rng = np.random.default_rng((keys, draw))
    q, k, v = (rng.standard_normal((1, HEADS, n, DIM), np.float32) for n in (1, keys, keys))
    x = Inputs(q, k, v)
    return Step(x, _of(x), {name: make(x).astype(np.float32) for name, make in OUTPUTS.items()})


def closely(out: np.ndarray, x: Inputs) -> bool:
    """Whether the derived bound accepts the output."""
    try:
        assert_attention_close(out, x.q, x.k, x.v)
    except AssertionError:
        return False
    return True


@cache
def accepted() -> dict[str, dict[str, list[int]]]:
    """Rule -> output -> the numbers of keys at which the rule accepts that output in every draw."""
    rules: dict[str, dict[str, list[int]]] = {rule: {name: [] for name in OUTPUTS} for rule in (*NAMES, DERIVED)}
    for keys in LENGTHS:
        steps = [step(keys, draw) for draw in range(DRAWS)]
        for name in OUTPUTS:
            for one in TOLERANCES:
                if all(one.accepts(s.outputs[name], s.right) for s in steps):
                    rules[one.name][name].append(keys)
            if all(closely(s.outputs[name], s.x) for s in steps):
                rules[DERIVED][name].append(keys)
    return rules


def table() -> str:
    """The same in Markdown: a row for each rule, a column for each output."""
    rows = [["rule", *OUTPUTS], ["---"] * (1 + len(OUTPUTS))]
    rows += [[rule, *(_cell(lengths) for lengths in row.values())] for rule, row in accepted().items()]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _cell(lengths: list[int]) -> str:
    return "all" if lengths == list(LENGTHS) else " ".join(map(str, lengths)) or "-"
