"""Attention by torch's matmul, softmax and matmul on a CUDA device: `torch-eager` with another device."""

from __future__ import annotations

from attention_implementations.torch import eager as torch_eager
from attention_specs.contract import on

attention = on("cuda", torch_eager.attention)
