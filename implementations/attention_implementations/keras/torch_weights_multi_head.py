"""keras.layers.MultiHeadAttention on the backend torch, with its weights: through einsum, softmax and einsum."""

from __future__ import annotations

from torch import Tensor

from attention_implementations.keras._layer import asked, layer
from attention_specs.contract import declares


@declares(framework="torch", precision={"bfloat16": "weights-rounded", "float16": "weights-rounded"})
def multi_head(
    query: Tensor, key: Tensor, value: Tensor,
    w_q: Tensor, w_k: Tensor, w_v: Tensor, w_o: Tensor,
    b_q: Tensor, b_k: Tensor, b_v: Tensor, b_o: Tensor,
    *, heads: int, mask: Tensor | None = None, return_weights: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:  # fmt: skip
    """The layer that is asked for its weights."""
    out: tuple[Tensor, Tensor] = asked(
        layer([w_q, w_k, w_v, w_o], [b_q, b_k, b_v, b_o], heads), query, key, value, mask, heads, True
    )
    return out if return_weights else out[0]
