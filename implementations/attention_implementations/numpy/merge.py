"""Two parts of an attention put together in NumPy: what either holds shrinks to the larger maximum (flash decoding)."""

from __future__ import annotations

import numpy as np

from attention_implementations.numpy._common import finite
from attention_specs.contract import declares


@declares(framework="numpy", conventions={"masked_nan_safe": True, "batch_invariant": True})
def merge(out_a: np.ndarray, lse_a: np.ndarray, out_b: np.ndarray, lse_b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """out_a, out_b [B, H, Lq, Dv], lse_a, lse_b [B, H, Lq] -> out [B, H, Lq, Dv] and lse [B, H, Lq], in their dtypes.

    A part whose lse is -inf takes no part, whatever it holds. 16-bit outputs are weighed in the dtype of the lse.
    """
    top = finite(np.maximum(lse_a, lse_b))
    powers = [np.exp(lse - top) for lse in (lse_a, lse_b)]
    total = powers[0] + powers[1]
    weighed = [
        np.where(p[..., None] == 0, 0, p[..., None] * out.astype(p.dtype)) for p, out in zip(powers, (out_a, out_b), strict=True)
    ]
    with np.errstate(divide="ignore"):
        lse = np.log(total) + top
    return ((weighed[0] + weighed[1]) / np.where(total == 0, 1, total)[..., None]).astype(out_a.dtype), lse
