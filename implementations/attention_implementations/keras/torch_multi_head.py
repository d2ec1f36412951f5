"""keras.layers.MultiHeadAttention on the backend torch: through keras.ops.dot_product_attention."""

from __future__ import annotations

from torch import Tensor

from attention_implementations.keras._layer import asked, layer
from attention_specs.contract import declares


@declares(
    framework="torch",
    conventions={"empty_rows": {"mask": "uniform", "no_keys": "zeros", "float16": {"mask": "unspecified"}}},
    precision={"float64": "computed-in-float32", "bfloat16": "weights-rounded", "float16": "weights-rounded"},
)
def multi_head(
    query: Tensor, key: Tensor, value: Tensor,
    w_q: Tensor, w_k: Tensor, w_v: Tensor, w_o: Tensor,
    b_q: Tensor, b_k: Tensor, b_v: Tensor, b_o: Tensor,
    *, heads: int, mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The layer as it is called where nobody asks for its weights."""
    out: Tensor = asked(layer([w_q, w_k, w_v, w_o], [b_q, b_k, b_v, b_o], heads), query, key, value, mask, heads, False)
    return out
