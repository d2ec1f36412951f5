"""The steps of an attention that does as it declares, in torch: float32, or float64 for float64; gradients are autograd's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from attention_harness.audit.meaning import Meant, filled, safe
from attention_implementations.torch._common import default_scale, per_query_head, softmax
from attention_specs.contract import Conventions

FRAMEWORK = "torch"
torch.set_num_threads(1)  # a process of an audit is one of several


def joined(past: Tensor, new: Tensor) -> Tensor:
    """Keys or values of a cache with the new ones behind them."""
    return torch.cat([past, new], 2)


def rules(o: Mapping[str, object]) -> dict[str, object]:
    """The options that hide keys, as NumPy's; of a bias where it hides none."""
    bias = {"bias": None if o.get("bias") is None else o["bias"] != -torch.inf}
    hiding = {name: value for name, value in o.items() if name in ("mask", "query_lengths", "key_lengths", "is_causal", "window")}
    return {name: value.numpy() if isinstance(value, Tensor) else value for name, value in (hiding | bias).items()}


def answer(
    q: Tensor, k: Tensor, v: Tensor, meaning: Meant, conventions: Conventions, step: int, plain: Mapping[str, Any]
) -> Tensor | tuple[Tensor, ...]:
    """The attention with its arguments meant as declared. Values are summed from the last key on where the step is -1."""
    dtype = torch.float64 if q.dtype == torch.float64 else torch.float32
    keys, values = (per_query_head(a, q).to(dtype) for a in (k, v))
    seen, sinks = torch.as_tensor(meaning.seen), plain.get("sinks")
    weights, lse = softmax(_scores(q.to(dtype), keys, seen, plain), None if sinks is None else sinks.to(dtype))
    used = torch.where(seen.any(-2)[..., None], values, 0.0) if safe(conventions, "values") else values
    order = list(range(k.shape[2])[::step])
    out = weights[..., order] @ used[..., order, :]
    if not safe(conventions, "keys"):
        out = torch.where(torch.isfinite(keys).all(3).all(2)[:, :, None, None], out, torch.nan)
    out = filled(_where, out, values.mean(2, keepdim=True), meaning.rows)
    base = np.log(2) if conventions.lse_base == "2" else 1.0
    extras = {"return_weights": weights.to(q.dtype), "return_lse": lse / base}
    given = [extra for name, extra in extras.items() if plain.get(name)]
    return (out.to(q.dtype), *given) if given else out.to(q.dtype)


def _scores(q: Tensor, k: Tensor, seen: Tensor, o: Mapping[str, Any]) -> Tensor:
    """The scores for the softmax, -inf where hidden."""
    scores = (q * default_scale(q, o.get("scale"))) @ k.mT
    if o.get("softcap") is not None:
        scores = o["softcap"] * torch.tanh(scores / o["softcap"])
    if o.get("bias") is not None:
        scores = scores + o["bias"].to(scores.dtype)
    return scores.masked_fill(~seen, -torch.inf)


def _where(condition: np.ndarray, one: Tensor | float, other: Tensor) -> Tensor:
    return torch.where(torch.as_tensor(condition), one, other)


def backward(conventions: Conventions, layout: str) -> None:
    """None: autograd has the gradients."""
