"""The multi-head layer with the projections of keys and values absorbed, as latent attention decodes (DeepSeek-V2, section 2.1.2).

Keys and values of the heads are never worked out. A query is taken through the key weights of its head, so that all heads attend to
one key head, the tokens themselves, which are the values too; the value weights of a head follow behind. `numpy-multi-head` has the
naive formula of the same layer.
"""

from __future__ import annotations

import numpy as np

from attention_implementations.numpy._common import Result, answer
from attention_implementations.numpy.multi_head import _softmax, _split
from attention_specs.contract import declares


@declares(framework="numpy", dtypes=("float32", "bfloat16", "float16"), precision="exact")
def multi_head(
    query: np.ndarray, key: np.ndarray, value: np.ndarray,
    w_q: np.ndarray, w_k: np.ndarray, w_v: np.ndarray, w_o: np.ndarray,
    b_q: np.ndarray, b_k: np.ndarray, b_v: np.ndarray, b_o: np.ndarray,
    *, heads: int, mask: np.ndarray | None = None, return_weights: bool = False,
) -> Result:  # fmt: skip
    """The layer, computed in float64: absorbed products have more terms than those of the naive formula, and so larger errors.

    With W_h and b_h the columns of head h, q . (W_h^T x + b_h) = (W_h q) . x + q . b_h, and sum_j w_j (V_h^T x_j + c_h) =
    V_h^T (sum_j w_j x_j) + c_h sum_j w_j.
    """
    dtype = query.dtype
    query, key, value, w_q, w_k, w_v, w_o, b_q, b_k, b_v, b_o = (
        a.astype(np.float64) for a in (query, key, value, w_q, w_k, w_v, w_o, b_q, b_k, b_v, b_o)
    )
    q = _split(query @ w_q + b_q, heads)
    of_keys, of_values = (_split(w[None], heads)[0] for w in (w_k, w_v))  # [heads, d, d / heads]
    shifts, c = (b.reshape(heads, 1, -1) for b in (b_k, b_v))
    scores = (q @ of_keys.swapaxes(-1, -2)) @ key[:, None].swapaxes(-1, -2) + (q * shifts).sum(-1, keepdims=True)
    weights = _softmax(scores / np.sqrt(q.shape[-1]), mask)
    joined = (weights @ value[:, None]) @ of_values + c * weights.sum(-1, keepdims=True)
    out = joined.swapaxes(1, 2).reshape(query.shape) @ w_o + b_o
    return answer(out.astype(dtype), weights.astype(dtype) if return_weights else None)
