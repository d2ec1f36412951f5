"""A flash kernel in Triton, run by Triton's interpreter: one NumPy call for each line of the kernel and each block."""

from __future__ import annotations

import os

os.environ["TRITON_INTERPRET"] = "1"  # read when Triton is imported

from attention_implementations.triton import _flash
from attention_specs.contract import declares

attention = declares(
    framework="torch", device="cpu", dtypes=("float32", "bfloat16", "float16"),
    conventions={"checks_shapes": True, "thread_safe": False},
    precision={"bfloat16": "exact", "float16": "weights-rounded"},
)(_flash.attention)  # fmt: skip
