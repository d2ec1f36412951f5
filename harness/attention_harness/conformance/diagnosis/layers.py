"""Readings of a multi-head layer: its projections, heads, scale and mask."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from attention_harness.conformance.diagnosis.readings import reading
from attention_specs.multi_head.inputs import OF_KEYS, LayerInputs
from attention_specs.multi_head.oracle import head_scale

LAYER = "multi-head"


@reading(spec=LAYER)
def the_query_weights_are_transposed(x: LayerInputs) -> LayerInputs | None:
    """w_q is transposed."""
    return x.replace(w_q=x.w_q.T)


@reading(spec=LAYER)
def the_key_weights_are_transposed(x: LayerInputs) -> LayerInputs | None:
    """w_k is transposed."""
    return x.replace(w_k=x.w_k.T)


@reading(spec=LAYER)
def the_value_weights_are_transposed(x: LayerInputs) -> LayerInputs | None:
    """w_v is transposed."""
    return x.replace(w_v=x.w_v.T)


@reading(spec=LAYER)
def the_output_weights_are_transposed(x: LayerInputs) -> LayerInputs | None:
    """w_o is transposed."""
    return x.replace(w_o=x.w_o.T)


@reading(spec=LAYER)
def all_weights_are_transposed(x: LayerInputs) -> LayerInputs | None:
    """All four weights are transposed, as torch.nn.Linear stores them."""
    return x.replace(**{name: getattr(x, name).T for name in ("w_q", "w_k", "w_v", "w_o")})


@reading(spec=LAYER)
def key_heads_of_a_layer_are_tiled(x: LayerInputs) -> LayerInputs | None:
    """Head h of the layer reads key head h % Hkv."""
    if x.key_heads in (None, 1, x.heads):
        return None
    columns = np.arange(x.w_k.shape[1]).reshape(x.key_heads, x.heads // x.key_heads, -1)[:, 0]
    tiled = np.tile(columns.ravel(), x.heads // x.key_heads)
    return x.replace(**{name: getattr(x, name)[..., tiled] for name in OF_KEYS})


@reading(spec=LAYER)
def nothing_is_turned_by_its_position(x: LayerInputs) -> LayerInputs | None:
    """Queries and keys are not turned by their positions."""
    return None if x.rotary is None else x.replace(rotary=None)


@reading(spec=LAYER, declaration='rotary = {"pairs": "neighbours"}')
def neighbouring_channels_are_turned(x: LayerInputs) -> LayerInputs | None:
    """Neighbouring channels are turned, and not halves."""
    return _with_pairs(x, "neighbours")


@reading(spec=LAYER, declaration='rotary = {"pairs": "halves"}')
def halves_are_turned(x: LayerInputs) -> LayerInputs | None:
    """Halves of the channels are turned, and not neighbours."""
    return _with_pairs(x, "halves")


def _with_pairs(x: LayerInputs, pairs: str) -> LayerInputs | None:
    return None if x.rotary is None or x.rotary.pairs == pairs else x.replace(rotary=replace(x.rotary, pairs=pairs))


@reading(spec=LAYER)
def key_and_value_weights_are_exchanged(x: LayerInputs) -> LayerInputs | None:
    """w_k and w_v are exchanged."""
    return x.replace(w_k=x.w_v, w_v=x.w_k)


@reading(spec=LAYER)
def key_and_value_projections_are_exchanged(x: LayerInputs) -> LayerInputs | None:
    """w_k and w_v are exchanged, and b_k and b_v."""
    return x.replace(w_k=x.w_v, w_v=x.w_k, b_k=x.b_v, b_v=x.b_k)


@reading(spec=LAYER)
def key_and_value_are_exchanged(x: LayerInputs) -> LayerInputs | None:
    """key and value are exchanged."""
    return None if x.self_attention else x.replace(key=x.value, value=x.key)


def _zero(x: LayerInputs, name: str) -> LayerInputs:
    return x.replace(**{name: 0 * getattr(x, name)})


@reading(spec=LAYER)
def the_query_bias_is_left_out(x: LayerInputs) -> LayerInputs | None:
    """b_q is left out."""
    return _zero(x, "b_q")


@reading(spec=LAYER)
def the_key_bias_is_left_out(x: LayerInputs) -> LayerInputs | None:
    """b_k is left out."""
    return _zero(x, "b_k")


@reading(spec=LAYER)
def the_value_bias_is_left_out(x: LayerInputs) -> LayerInputs | None:
    """b_v is left out."""
    return _zero(x, "b_v")


@reading(spec=LAYER)
def the_output_bias_is_left_out(x: LayerInputs) -> LayerInputs | None:
    """b_o is left out."""
    return _zero(x, "b_o")


@reading(spec=LAYER)
def the_output_bias_is_added_twice(x: LayerInputs) -> LayerInputs | None:
    """b_o is added twice."""
    return x.replace(b_o=2 * x.b_o.astype(np.float64))


def interleaved(x: LayerInputs) -> np.ndarray:
    """The columns of the projections in the order in which head h has every column h + n * heads."""
    d = x.query.shape[2]
    return np.arange(d).reshape(d // x.heads, x.heads).T.reshape(-1)


def _columns(x: LayerInputs, order: np.ndarray) -> LayerInputs:
    projections = {f"{kind}_{name}": getattr(x, f"{kind}_{name}") for kind in "wb" for name in "qkv"}
    return x.replace(**{name: a[..., order] for name, a in projections.items()})


@reading(spec=LAYER)
def heads_are_interleaved_on_the_way_in(x: LayerInputs) -> LayerInputs | None:
    """Head h has every column h + n * heads on the way in, and its slice of the columns on the way out."""
    return _columns(x, interleaved(x)) if x.heads > 1 else None


@reading(spec=LAYER)
def heads_are_interleaved_on_both_ways(x: LayerInputs) -> LayerInputs | None:
    """Head h has every column h + n * heads."""
    return _columns(x, interleaved(x)).replace(w_o=x.w_o[interleaved(x)]) if x.heads > 1 else None


def _scaled(x: LayerInputs, scale: float) -> LayerInputs:
    factor = scale / head_scale(x)
    return x.replace(w_q=x.w_q.astype(np.float64) * factor, b_q=x.b_q.astype(np.float64) * factor)


@reading(spec=LAYER)
def a_layer_has_no_scale(x: LayerInputs) -> LayerInputs | None:
    """Scores are not scaled."""
    return _scaled(x, 1.0)


@reading(spec=LAYER)
def a_layer_is_scaled_twice(x: LayerInputs) -> LayerInputs | None:
    """Scores are scaled twice."""
    return _scaled(x, head_scale(x) ** 2)


@reading(spec=LAYER)
def a_layer_has_the_scale_of_the_model(x: LayerInputs) -> LayerInputs | None:
    """The scale is 1/sqrt(d_model), and not that of a head."""
    return _scaled(x, float(max(x.query.shape[2], 1)) ** -0.5)


@reading(spec=LAYER)
def a_layer_has_the_scale_of_its_heads(x: LayerInputs) -> LayerInputs | None:
    """The scale is 1/sqrt(heads)."""
    return _scaled(x, float(x.heads) ** -0.5)


@reading(spec=LAYER)
def the_scale_of_a_layer_divides(x: LayerInputs) -> LayerInputs | None:
    """Scores are divided by the scale."""
    return _scaled(x, 1 / head_scale(x))


@reading(spec=LAYER)
def the_mask_of_a_layer_is_ignored(x: LayerInputs) -> LayerInputs | None:
    """The mask is ignored."""
    return None if x.mask is None else x.replace(mask=None)


@reading(spec=LAYER)
def the_mask_of_a_layer_is_inverted(x: LayerInputs) -> LayerInputs | None:
    """A mask hides the key where it is True or 1."""
    return None if x.mask is None else x.replace(mask=x.mask == 0)


def _axes(x: LayerInputs, **parts: slice) -> LayerInputs | None:
    if x.mask is None:
        return None
    full = np.broadcast_to(x.mask, x.score_shape)
    part = full[parts.get("batch", slice(None)), parts.get("heads", slice(None))]
    return x.replace(mask=np.broadcast_to(part, x.score_shape))


@reading(spec=LAYER)
def the_mask_of_the_first_entry_serves_all(x: LayerInputs) -> LayerInputs | None:
    """The mask of batch entry 0 serves all."""
    return _axes(x, batch=slice(1)) if x.query.shape[0] > 1 else None


@reading(spec=LAYER)
def the_mask_of_the_first_head_serves_all(x: LayerInputs) -> LayerInputs | None:
    """The mask of head 0 serves all."""
    return _axes(x, heads=slice(1)) if x.heads > 1 else None


@reading(spec=LAYER)
def the_mask_of_a_layer_is_transposed(x: LayerInputs) -> LayerInputs | None:
    """Rows and columns of the mask are exchanged."""
    if x.mask is None or x.query.shape[1] != x.key.shape[1]:
        return None
    return x.replace(mask=np.broadcast_to(x.mask, x.score_shape).swapaxes(2, 3))


@reading(spec=LAYER)
def masks_of_heads_and_entries_are_exchanged(x: LayerInputs) -> LayerInputs | None:
    """Batch and head of the mask are exchanged."""
    if x.mask is None or 1 in (x.heads, x.query.shape[0]):
        return None
    b, h, *lengths = x.score_shape
    return x.replace(mask=np.broadcast_to(x.mask, x.score_shape).reshape(h, b, *lengths).swapaxes(0, 1))


@reading(spec=LAYER)
def the_last_key_of_a_layer_is_ignored(x: LayerInputs) -> LayerInputs | None:
    """The last key is ignored."""
    n = x.key.shape[1]
    if n < 2:
        return None
    return x.replace(mask=x.visible() & (np.arange(n) < n - 1))
