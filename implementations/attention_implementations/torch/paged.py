"""Attention over keys in pages by torch's products: the pages of each sequence are gathered first."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from attention_implementations.torch._common import Result
from attention_implementations.torch._sequence import each
from attention_specs.contract import declares


@declares(
    framework="torch",
    device="cpu",
    form="paged",
    conventions={"causal_alignment": "bottom-right", "window_alignment": "bottom-right"},
)
def attention(
    q: Tensor, k_pages: Tensor, v_pages: Tensor, *, block_table: Tensor, seqused_k: Tensor, cu_seqlens_q: Tensor,
    is_causal: bool = False, scale: float | None = None, window: Any = None, softcap: float | None = None,
    sinks: Tensor | None = None, return_lse: bool = False,
) -> Result:  # fmt: skip
    """q [Tq, Hq, D], k_pages [P, page, Hkv, D], v_pages [P, page, Hkv, Dv] -> out [Tq, Hq, Dv], lse [Hq, Tq].

    Key j of entry b lies in the page block_table[b, j // page], in the slot j % page.
    """
    keys, values = (
        [gathered(pages, table, length) for table, length in zip(block_table, seqused_k.tolist(), strict=True)]
        for pages in (k_pages, v_pages)
    )
    sequences = zip(torch.split(q, torch.diff(cu_seqlens_q).tolist()), keys, values, strict=True)
    return each(
        sequences, q, v_pages.shape[3], is_causal=is_causal, scale=scale, window=window, softcap=softcap, sinks=sinks,
        return_lse=return_lse,
    )  # fmt: skip


def gathered(pages: Tensor, table: Tensor, length: int) -> Tensor:
    """[length, H, D]: the first slots of the pages that the table names."""
    return pages[table[: -(-length // pages.shape[1])].long()].flatten(0, 1)[:length]
