"""A flash kernel in Triton, compiled for a CUDA device: the kernel of `triton-flash`.

Its declarations are made in advance: it was compiled for compute capability 8.0 and 9.0, and has not run on a device yet.
"""

from __future__ import annotations

from attention_implementations.triton import _flash
from attention_specs.contract import declares, on

attention = declares(
    framework="torch", dtypes=("float32", "bfloat16", "float16"), conventions={"checks_shapes": True}, domain=("dims <= 256",),
    precision=dict.fromkeys(("bfloat16", "float16"), "weights-rounded+truncating-sums"),
)(on("cuda", _flash.attention))  # fmt: skip
