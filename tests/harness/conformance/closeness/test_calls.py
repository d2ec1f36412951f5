"""A wrong call of the assertion or of the bound is a ValueError that names what is given, and what should be."""

from __future__ import annotations

import re
from functools import partial

import numpy as np
import pytest

from attention_harness import assert_attention_close, attention_bound

rng = np.random.default_rng(0)
q, k, v = (rng.standard_normal(shape).astype(np.float32) for shape in ((2, 4, 5, 8), (2, 2, 7, 8), (2, 2, 7, 8)))
out = np.zeros_like(q)

ERRORS = {
    "axes of q=3, but should be 4, [batch, heads, length, dim]; add those of size 1, as in q[None]": {"q": q[0]},
    "q=list, but should be an array of numpy, torch or jax": {"q": q.tolist()},
    "v=MaskedArray, but should be an array of numpy, torch or jax": {"v": np.ma.masked_array(v)},
    "dtype of q=int64, but should be one of float32, float64, bfloat16, float16; convert it": {"q": q.astype(int)},
    "dtype of k=float64, but should be that of q, float32; convert one of them": {"k": k.astype(float)},
    "dtype of bias=float64, but should be that of q, float32; convert one of them": {"bias": np.zeros(7)},
    "dtype of mask=float32, but should be bool, True = attend; numbers to add to scores are a `bias`": {
        "mask": np.zeros(7, "f4")
    },
    "dtype of key_lengths=float64, but should be int64": {"key_lengths": np.ones(2)},
    "shape of key_lengths=(3,), but should be (2,)": {"key_lengths": np.ones(3, int)},
    "key_lengths=[3, 8], but should be from 0 to 7": {"key_lengths": np.array([3, 8])},
    "shape of sinks=(2,), but should be (4,)": {"sinks": np.zeros(2, np.float32)},
    "shape of v=(2, 2, 6, 8), but should be (2, 2, 7, 8) as for k": {"v": v[:, :, 1:]},
    "shape of mask or bias=(6,), but should broadcast to (2, 4, 5, 7)": {"mask": np.ones(6, bool)},
    "query_heads=3, but should be a multiple of key_heads=2": {"q": q[:, :3]},
    "key_heads=0, but should be at least 1 for query_heads=4": {"k": k[:, :0], "v": v[:, :0]},
    "cache=one of past_k, past_v, but should be both": {"past_k": k},
    "shape of past_k=(2, 1, 7, 8), but should be (2, 2, 7, 8), with a length of its own": {"past_k": k[:, :1], "past_v": v},
    "shape of past_v=(2, 2, 7, 8), but should be (2, 2, 3, 8), with a length of its own": {"past_k": k[:, :, :3], "past_v": v},
    "option=causal, but should be is_causal": {"causal": True},
    "layout=bhdl, but should be one of bhld, blhd": {"layout": "bhdl"},
    "precision=loose, but should be one of exact, ": {"precision": "loose"},
    "causal_alignment=bottom, but should be one of top-left, bottom-right": {"causal_alignment": "bottom"},
    "scale=inf, but should be a finite number": {"scale": np.inf},
    "scale=large, but should be a finite number": {"scale": "large"},
    "softcap=0, but should be above 0; leave it out for no cap": {"softcap": 0},
    "window=(-1, 2), but should be (left, right), whole numbers from 0 on, or None for an open side": {"window": (-1, 2)},
    "window=3, but should be (left, right), ": {"window": 3},
    "window=(1.5, None), but should be (left, right), ": {"window": (1.5, None)},
    "is_causal=2, but should be one of False, True": {"is_causal": 2},
    "bias=a number that is NaN or infinity, but should be finite, or -inf to hide a key": {"bias": np.full(7, np.nan, "f4")},
    "sinks=a number that is not finite, but should be finite": {"sinks": np.full(4, np.inf, "f4")},
}


@pytest.mark.parametrize("text", ERRORS, ids=lambda text: text.partition(",")[0])
def test_a_wrong_call_is_named(text):
    given = {"q": q, "k": k, "v": v} | ERRORS[text]
    for function in (attention_bound, partial(assert_attention_close, out)):
        with pytest.raises(ValueError, match="^" + re.escape(text)):
            function(**given)


def test_a_model_whose_formats_are_left_gives_no_bound():
    large = [a.astype(np.float16) * 300 for a in (q, k)]
    with pytest.raises(ValueError, match=r"^range=a product of a query and a key may leave that of its format, but should not"):
        attention_bound(*large, v.astype(np.float16), precision="products-rounded")
