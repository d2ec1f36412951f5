"""torch's scaled_dot_product_attention with its math kernel on a CUDA device: `torch-sdpa-math` with another device."""

from __future__ import annotations

from attention_implementations.torch import sdpa_math as torch_sdpa_math
from attention_specs.contract import on

attention = on("cuda", torch_sdpa_math.attention)
