"""Functions that declare a convention or a domain, and keep it in some calls only (C02, C04, C12, C14, C15, C17, C22, C36)."""

from __future__ import annotations

from typing import Any

import numpy as np

from attention_harness.audit.faults import fault
from attention_harness.audit.faults._parts import attention, beside, empty_rows, given, partial, staged, value_product
from attention_implementations.numpy._common import per_query_head, visible, working_dtype
from attention_specs.contract import declares
from attention_specs.sizes import require_fitting

Array = np.ndarray


def _ahead(q: Array, k: Array, **o: Any) -> Any:
    """How far the bottom-right diagonal of each entry lies from the top-left one, [B, 1, 1, 1]."""
    queries, keys = (
        o[name] if given(o, name) else np.full(len(q), a.shape[2]) for name, a in (("query_lengths", q), ("key_lengths", k))
    )
    return (keys - queries)[:, None, None, None]


def _shifted(q: Array, k: Array, v: Array, shift: Any, **o: Any) -> Any:
    """Attention whose queries stand at `shift` + i for causality and windows."""
    return staged(q, k, v, rules=partial(visible, shift), **o)


@fault("C04")
@declares(conventions={"causal_alignment": "bottom-right", "window_alignment": "bottom-right"})
def declared_bottom_right_is_top_left_beside_a_mask(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The path with a mask makes its own triangle, from the first key."""
    return _shifted(q, k, v, 0 if given(o, "mask") else _ahead(q, k, **o), **o)


@fault("C04")
@declares(conventions={"causal_alignment": "bottom-right", "window_alignment": "bottom-right"})
def declared_bottom_right_ends_at_the_key_length(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The last query of the array sees the last key of the entry, where the declaration says the last query of the entry."""
    return _shifted(q, k, v, _ahead(q, k, **o | {"query_lengths": None}), **o)


BOTTOM_RIGHT = {"causal_alignment": "bottom-right", "window_alignment": "bottom-right"}


@fault("C04", "NVIDIA/TransformerEngine#1281")
@declares(conventions=BOTTOM_RIGHT)
def declared_bottom_right_is_that_of_the_longest_entry(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Causality and windows count from the ends of the arrays, whatever the lengths of the entry."""
    return _shifted(q, k, v, _ahead(q, k), **o)


@fault("C33")
@declares(conventions=BOTTOM_RIGHT)
def declared_bottom_right_is_that_of_the_first_entry(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """One offset for the batch, made of the lengths of its first entry."""
    return _shifted(q, k, v, _ahead(q, k, **o)[:1], **o)


@fault("C04", only=("is_causal", "key_lengths", "scale"))
@declares(conventions=BOTTOM_RIGHT)
def declared_bottom_right_never_moves_left(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """An entry with fewer keys than queries counts from its first key: the offset is clipped at 0."""
    return _shifted(q, k, v, np.maximum(_ahead(q, k, **o), 0), **o)


@fault("C14")
@declares(conventions=BOTTOM_RIGHT)
def a_declared_bottom_right_window_is_top_left(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Causality counts from the end, the window from the start."""
    causal = partial(visible, _ahead(q, k, **o))

    def rules(i: Array, j: Array, is_causal: bool, window: Any, *lengths: Any) -> Array:
        return causal(i, j, is_causal, None, *lengths) & visible(0, i, j, False, window, None, None)

    return staged(q, k, v, rules=rules, **o)


def _off_by_one(left: int, right: int, **o: Any) -> dict[str, Any]:
    """The options with a window that is so much wider beside its open sides."""
    if not given(o, "window"):
        return o
    sides = zip(o["window"], (left, right), strict=True)
    return o | {"window": tuple(None if side is None else side + more for side, more in sides)}


@fault("C14", only=("window", "key_lengths", "scale"))
@declares(conventions=BOTTOM_RIGHT)
def a_declared_bottom_right_window_is_one_key_wider_on_its_left(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The left side counts from the place before the query's own."""
    return _shifted(q, k, v, _ahead(q, k, **o), **_off_by_one(1, 0, **o))


@fault("C14", only=("window", "key_lengths", "scale"))
@declares(conventions=BOTTOM_RIGHT)
def a_declared_bottom_right_window_is_one_key_wider_on_its_right(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The right side counts from the place behind the query's own."""
    return _shifted(q, k, v, _ahead(q, k, **o), **_off_by_one(0, 1, **o))


@fault("C04", only=("is_causal", "query_lengths", "key_lengths", "scale"))
@declares(conventions=BOTTOM_RIGHT)
def declared_bottom_right_shows_one_key_too_few(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Of unequal lengths the diagonal ends before the last key."""
    ahead = _ahead(q, k, **o)
    return _shifted(q, k, v, ahead - (ahead != 0), **o)


@fault("C04", only=("is_causal", "query_lengths", "key_lengths", "scale"))
@declares(conventions=BOTTOM_RIGHT)
def declared_bottom_right_shows_one_key_too_many(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The diagonal is counted from the number of keys, not from the last of them, where an entry is shorter than the array."""
    ahead = _ahead(q, k, **o)
    return _shifted(q, k, v, ahead + (ahead != k.shape[2] - q.shape[2]), **o)


@fault("C04")
@declares(conventions={"causal_alignment": "bottom-right"})
def declared_bottom_right_is_top_left_beside_a_window(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Causality is written into the window, (left, 0), which counts from the first key."""
    return _shifted(q, k, v, 0 if given(o, "window") else _ahead(q, k, **o), **o)


@fault("C14", only=("window", "scale"))
@declares(conventions={"window_alignment": "bottom-right"})
def a_declared_bottom_right_window_never_moves_left(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The offset Lk - Lq is unsigned: 0 where there are more queries than keys."""
    return _shifted(q, k, v, np.maximum(_ahead(q, k), 0), **o)


def _filled(q: Array, k: Array, v: Array, what: Any, **o: Any) -> Any:
    """Attention with these numbers in rows that see no key."""
    return beside(attention(q, k, v, **o), lambda out: np.where(empty_rows(q, k, v, **o), what, out).astype(out.dtype))


def _values(q: Array, v: Array) -> Array:
    return per_query_head(v, q.shape[1], working_dtype(q.dtype))


def _mean(values: Array) -> Array:
    """Over all keys; NaN of none."""
    return values.sum(2, keepdims=True) / values.dtype.type(values.shape[2])


@fault("C02")
@declares(conventions={"empty_rows": "uniform"})
def a_declared_mean_is_that_of_tiled_heads(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Means are taken for each key head, and tiled over the query heads."""
    means = _mean(v.astype(working_dtype(q.dtype)))
    return _filled(q, k, v, means[:, np.arange(q.shape[1]) % max(k.shape[1], 1)] if k.shape[1] else 0, **o)


@fault("C02")
@declares(conventions={"empty_rows": "uniform"})
def a_declared_mean_leaves_out_the_padding(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Keys beyond the length of their entry do not count, where the declaration says all."""
    values = _values(q, v)
    lengths = o["key_lengths"] if given(o, "key_lengths") else np.full(q.shape[0], k.shape[2])
    averaged = np.arange(k.shape[2])[:, None] < np.where(lengths == 0, k.shape[2], lengths)[:, None, None, None]
    return _filled(q, k, v, (values * averaged).sum(2, keepdims=True) / averaged.sum(2, keepdims=True), **o)


@fault("C24")
@declares(conventions={"empty_rows": "uniform"})
def a_declared_mean_is_summed_in_sixteen_bits(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Weights of 1 / Lk are multiplied with the values, and summed in float16."""
    values = _values(q, v).astype(np.float16) * np.float16(1 / max(k.shape[2], 1))
    return _filled(q, k, v, values.sum(2, keepdims=True, dtype=np.float16).astype(np.float64), **o)


@fault("C02", only=("mask", "bias", "scale"))
@declares(conventions={"empty_rows": {"mask": "uniform", "bias": "nan", "no_keys": "unspecified", "together": "unspecified"}})
def a_mean_declared_of_masks_is_given_for_biases(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A row of -inf in the bias gives the mean, as a row of False does."""
    return _filled(q, k, v, _mean(_values(q, v)), **o)


@fault("C02")
@declares(conventions={"empty_rows": {"float16": "nan"}})
def nan_declared_of_float16_is_given_in_all_sixteen_bits(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """bfloat16 has no guard either."""
    return _filled(q, k, v, np.nan if q.dtype.itemsize == 2 else 0, **o)


@fault("C02")
@declares(conventions={"empty_rows": {"mask": "zeros", "no_keys": "nan"}})
def zeros_declared_by_form_are_nearly_zeros(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """What an epsilon in the denominator leaves."""
    return _filled(q, k, v, 1e-6 if k.shape[2] else np.nan, **o)


@fault("C02")
@declares(conventions={"empty_rows": "unspecified"})
def unspecified_rows_spoil_the_next(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """NaN of a row that may be anything is in the row behind it too."""
    empty = empty_rows(q, k, v, **o)
    behind = np.roll(empty, 1, 2) & (np.arange(q.shape[2]) > 0)[:, None]
    return beside(attention(q, k, v, **o), lambda out: np.where(empty | behind, np.nan, out).astype(out.dtype))


@fault("C15")
@declares(conventions={"masked_nan_safe": "keys"})
def nan_in_keys_beyond_their_length_spreads(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Declared safe in keys; those of the padding are multiplied by 0 instead of left out."""
    if not given(o, "key_lengths"):
        return staged(q, k, v, product=np.matmul, **o)
    padding = np.arange(k.shape[2]) >= o["key_lengths"][:, None, None]
    spoiled = (np.isnan(per_query_head(k, q.shape[1], working_dtype(k.dtype))).any(-1) & padding).any(-1)
    return beside(
        staged(q, k, v, product=np.matmul, **o), lambda out: np.where(spoiled[..., None, None], np.nan, out).astype(out.dtype)
    )


@fault("C15")
@declares(conventions={"masked_nan_safe": "values"})
def nan_in_values_spreads_in_decoding(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Declared safe in values; the kernel for one query multiplies all of them."""
    return staged(q, k, v, product=np.matmul if q.shape[2] == 1 else value_product, **o)


@fault("C17")
@declares(conventions={"lse_base": "2"})
def a_declared_base_of_two_is_e_beside_sinks(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The lse is put together anew with the sink, and not turned again."""
    result = attention(q, k, v, **o)
    if not o.get("return_lse"):
        return result
    turned = result[-1] if given(o, "sinks") else result[-1] / np.log(2)
    return (*result[:-1], turned.astype(result[-1].dtype))


@fault("C36", "pytorch/pytorch#193728")
@declares(conventions={"checks_shapes": True})
def declared_checks_of_shapes_leave_out_the_values(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """More values than keys are accepted, and the rest is cut off."""
    require_fitting(q, k, v[:, :, : k.shape[2]], o.get("mask"), o.get("bias"))
    return attention(q, k, v[:, :, : k.shape[2]], **o)


@fault("C36")
@declares(conventions={"checks_shapes": True})
def declared_checks_of_shapes_leave_out_the_heads_of_values(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Values with more heads than the keys are accepted, and the rest is cut off."""
    require_fitting(q, k, v[:, : k.shape[1]], o.get("mask"), o.get("bias"))
    return attention(q, k, v[:, : k.shape[1]], **o)


@fault("C36")
@declares(conventions={"checks_shapes": True})
def declared_checks_of_shapes_leave_out_the_batch(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Keys and values of more entries than the queries are accepted, and the rest is cut off."""
    k, v = k[: len(q)], v[: len(q)]
    require_fitting(q, k, v, o.get("mask"), o.get("bias"))
    return attention(q, k, v, **o)


@fault("C12")
@declares(domain=("key_length % 4 == 0",))
def declared_blocks_of_four_keys_lose_the_tail(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Keys behind the last whole block are left out, where a refusal is declared."""
    whole = np.arange(k.shape[2]) < k.shape[2] // 4 * 4
    return attention(q, k, v, **o | {"mask": whole if o.get("mask") is None else o["mask"] & whole})


@fault("C22")
@declares(domain=("head_dim % 16 == 0",))
def declared_vectors_of_sixteen_channels_lose_the_rest(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Channels behind the last whole vector are left out, where a refusal is declared; the scale is that of all."""
    whole = q.shape[3] // 16 * 16
    scale = max(q.shape[3], 1) ** -0.5 if o.get("scale") is None else o["scale"]
    return attention(q[..., :whole], k[..., :whole], v, **o | {"scale": scale})
