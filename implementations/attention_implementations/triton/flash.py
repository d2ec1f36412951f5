"""A flash kernel in Triton, run by Triton's interpreter."""

from __future__ import annotations

from attention_implementations.triton import _flash
from attention_specs.contract import declares

attention = declares(
    framework="torch", device="cpu", dtypes=("float32", "bfloat16", "float16"),
    conventions={"checks_shapes": True, "batch_invariant": True, "thread_safe": False},
    precision={"bfloat16": "exact", "float16": "weights-rounded"},
)(_flash.attention)  # fmt: skip
