"""Right attentions in forms of their own are accused by no property, whatever the form; what is planted behind the form is found."""

from __future__ import annotations

import numpy as np
import pytest

from attention_harness import check_attention
from attention_implementations.numpy.eager import attention as eager

FEW = {"examples": 10, "dtypes": ["float32"]}


def _heads_first(*arrays):
    return [None if a is None else a.swapaxes(1, 2) for a in arrays]


def hidden_blhd(values, keys, queries, ignore=None, is_causal=False, /):
    """[B, L, H, D], values first, a mask that hides, and always (lse, weights, output)."""
    q, k, v = _heads_first(queries, keys, values)
    mask = None if ignore is None else ~ignore
    out, weights, lse = eager(q, k, v, mask=mask, is_causal=is_causal, return_weights=True, return_lse=True)
    return lse, weights, out.swapaxes(1, 2)


HIDDEN = {
    "layout": "blhd", "positional": ("v", "k", "q", "mask", "is_causal"), "mask_means": "hidden", "returns": ("lse", "weights", "out"),
    "contiguous": True,
}  # fmt: skip


def causal_lhd(q, k, v, attn_bias, softmax_scale):
    """[L, H, D], causal by itself, with a bias and a scale that have to be given; from blocks of 4."""
    if q.shape[0] % 4 or k.shape[0] % 4 or not softmax_scale > 0:
        raise ValueError("lengths in blocks of 4, and a scale above 0")
    q, k, v = (a.swapaxes(0, 1)[None] for a in (q, k, v))
    bias = attn_bias if attn_bias.ndim < 4 else attn_bias[0]
    return eager(q, k, v, bias=bias, scale=softmax_scale, is_causal=True)[0].swapaxes(0, 1)


CAUSAL = {"layout": "lhd", "domain": ("is_causal == True", "lengths % 4 == 0", "scale > 0")}


@pytest.mark.slow
@pytest.mark.parametrize(("function", "form"), [(hidden_blhd, HIDDEN), (causal_lhd, CAUSAL)])
def test_a_right_function_in_its_own_form_is_not_accused(function, form):
    result = check_attention(function, declare=form, **FEW)
    assert result, str(result)
    assert {"P4", "R10"} <= set(result.frame.loc[result.frame["outcome"] == "agrees", "clause"])


@pytest.mark.slow
def test_what_is_wrong_behind_the_form_is_found():
    def writes(q, k, v, ignore=None):
        if ignore is not None:
            ignore[...] = False
        return eager(q, k, v, mask=None if ignore is None else np.ones_like(ignore))

    result = check_attention(
        writes, declare={"names": {"mask": "ignore"}, "mask_means": "hidden"}, properties=["P3", "P4"], **FEW
    )
    assert {"P3", "P4"} == {failure.id for failure in result.failures}
    assert "changed inputs=mask" in next(failure.sentence for failure in result.failures if failure.id == "P3")
