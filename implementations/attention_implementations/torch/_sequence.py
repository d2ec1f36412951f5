"""Sequences of a batch without padding, one after the other, by torch's products."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from attention_implementations.torch._common import Result, eager

Sequences = Iterable[tuple[Tensor, Tensor, Tensor]]


def each(
    sequences: Sequences, q: Tensor, columns: int, *, is_causal: bool, scale: float | None, window: Any, softcap: float | None,
    sinks: Tensor | None, return_lse: bool,
) -> Result:  # fmt: skip
    """q [Lq, Hq, D], k [Lk, Hkv, D], v [Lk, Hkv, Dv] of each sequence -> out [Tq, Hq, Dv], lse [Hq, Tq], in the dtype of q.

    The last query of a sequence stands at its last key.
    """
    outs, lses = [q.new_zeros(0, q.shape[1], columns)], [q.new_zeros(q.shape[1], 0)]
    for arrays in sequences:
        one, k, v = (a.transpose(0, 1)[None] for a in arrays)
        out, lse = eager(
            one, k, v, past=k.shape[2] - one.shape[2], mask=None, bias=None, is_causal=is_causal, scale=scale, window=window,
            softcap=softcap, sinks=sinks, return_weights=False, return_lse=True,
        )  # fmt: skip
        outs.append(out[0].transpose(0, 1))
        lses.append(lse[0])
    return (torch.cat(outs), torch.cat(lses, 1)) if return_lse else torch.cat(outs)
