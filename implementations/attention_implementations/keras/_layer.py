"""keras.layers.MultiHeadAttention on given weights, on the backend torch: the common parts of its two paths."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from attention_implementations.keras._ops import keras


def layer(weights: list[Tensor], biases: list[Tensor], heads: int) -> Any:
    """The layer with weights [w_q, w_k, w_v, w_o] in place of those that it draws; it keeps each as [d, heads, d / heads]."""
    d = weights[0].shape[0]
    split = (heads, d // heads)
    made = keras("torch").layers.MultiHeadAttention(heads, d // heads, dtype=str(weights[0].dtype).removeprefix("torch."))
    made.build((None, None, d), (None, None, d), (None, None, d))
    given = [part for w, b in zip(weights[:3], biases[:3], strict=True) for part in (w.reshape(d, *split), b.reshape(split))]
    for variable, one in zip(made.weights, [*given, weights[3].reshape(*split, d), biases[3]], strict=True):
        variable.assign(one)
    return made


def asked(layer: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, heads: int, weights: bool) -> Any:
    """The output of the layer, with its weights if they are asked for."""
    hidden = None if mask is None else mask.expand(query.shape[0], heads, query.shape[1], key.shape[1])
    with torch.no_grad():
        return layer(query, value, key, attention_mask=hidden, return_attention_scores=weights, training=False)
