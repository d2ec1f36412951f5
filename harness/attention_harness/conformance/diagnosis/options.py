"""Readings of options: ignored, inverted, or applied in another place of the order."""

from __future__ import annotations

from functools import partial

import numpy as np

from attention_harness.conformance.diagnosis.readings import reading, register_call
from attention_specs.attention.inputs import RULES, Inputs
from attention_specs.attention.oracle import attention, default_scale

IGNORED = ("mask", "bias", "is_causal", "window", "softcap", "sinks", "scale", "key_lengths", "query_lengths")


def _without(name: str, x: Inputs) -> Inputs | None:
    off = RULES.get(name)
    return None if getattr(x, name) is off else x.replace(**{name: off})


for _name in IGNORED:
    register_call(f"{_name} is ignored", partial(_without, _name))


@reading()
def the_mask_is_inverted(x: Inputs) -> Inputs | None:
    """A mask hides the key where it is True."""
    return None if x.mask is None else x.replace(mask=~x.mask)


@reading()
def the_mask_is_added(x: Inputs) -> Inputs | None:
    """The mask is added to the scores as 0 and 1."""
    if x.mask is None:
        return None
    ones = x.mask.astype(np.float64)
    return x.replace(mask=None, bias=ones if x.bias is None else ones + x.bias.astype(np.float64))


@reading()
def mask_and_causality_are_joined_by_or(x: Inputs) -> Inputs | None:
    """A key is visible if either the mask or is_causal shows it."""
    if x.mask is None or not x.is_causal:
        return None
    triangle = x.replace(window=None).positional()[0].dense(*x.score_shape)
    return x.replace(mask=x.mask | triangle, is_causal=False)


@reading()
def the_bias_is_scaled(x: Inputs) -> Inputs | None:
    """The bias is added before the scores are scaled."""
    if x.bias is None:
        return None
    bias = x.bias.astype(np.float64)
    return x.replace(bias=np.where(np.isneginf(bias), bias, bias * float(default_scale(x))))


@reading()
def the_bias_is_added_twice(x: Inputs) -> Inputs | None:
    """The bias is added twice."""
    return None if x.bias is None else x.replace(bias=2 * x.bias.astype(np.float64))


@reading()
def the_bias_is_taken_off(x: Inputs) -> Inputs | None:
    """The bias is subtracted."""
    if x.bias is None:
        return None
    bias = x.bias.astype(np.float64)
    return x.replace(bias=np.where(np.isneginf(bias), bias, -bias))


@reading()
def the_bias_is_a_mask(x: Inputs) -> Inputs | None:
    """A bias other than 0 hides the key."""
    return None if x.bias is None else x.replace(bias=np.where(x.bias != 0, -np.inf, 0.0))


@reading()
def a_bias_of_zero_hides(x: Inputs) -> Inputs | None:
    """A bias of 0 hides the key."""
    return None if x.bias is None else x.replace(bias=np.where(x.bias == 0, -np.inf, 0.0))


@reading()
def finite_biases_are_ignored(x: Inputs) -> Inputs | None:
    """Of the bias only -inf is applied."""
    if x.bias is None or not np.isneginf(x.bias).any():
        return None
    return x.replace(bias=np.where(np.isneginf(x.bias), -np.inf, 0.0))


@reading()
def the_softcap_comes_after_the_bias(x: Inputs) -> Inputs | None:
    """The softcap is applied after the bias."""
    return None if x.softcap is None or x.bias is None else capped_last(x)


@reading()
def the_softcap_comes_after_the_mask(x: Inputs) -> Inputs | None:
    """The softcap is applied after the mask, so that hidden keys have the score -softcap."""
    if x.softcap is None or x.visible().all():
        return None
    return capped_last(x.with_explicit_mask(), masks_too=True)


def capped_last(x: Inputs, masks_too: bool = False) -> Inputs:
    """The same scores as a bias on uncapped ones, capped with the bias in them; with `masks_too` hidden ones are -softcap, and seen."""
    assert x.softcap is not None
    uncapped = x.replace(bias=None, softcap=None, mask=None if masks_too else x.mask)
    scaled, seen = attention(uncapped).scaled, x.visible()
    with np.errstate(all="ignore"):
        total = x.softcap * np.tanh((scaled + (0.0 if x.bias is None else x.bias.astype(scaled.dtype))) / x.softcap)
    total = np.where(seen, total, -x.softcap if masks_too else -np.inf)
    return x.replace(softcap=None, mask=None if masks_too else x.mask, bias=np.where(np.isneginf(total), total, total - scaled))


@reading()
def scale_comes_after_the_softcap(x: Inputs) -> Inputs | None:
    """The softcap is applied before the scale."""
    if x.softcap is None or not default_scale(x):
        return None
    return x.replace(softcap=abs(float(default_scale(x))) * x.softcap)


@reading()
def the_softcap_is_not_multiplied_back(x: Inputs) -> Inputs | None:
    """Scores are tanh(s / softcap), without the factor softcap."""
    if x.softcap is None:
        return None
    return x.replace(softcap=1.0, scale=float(default_scale(x)) / x.softcap)


@reading()
def sinks_are_scaled(x: Inputs) -> Inputs | None:
    """Sinks are multiplied by the scale."""
    return None if x.sinks is None else x.replace(sinks=x.sinks.astype(np.float64) * float(default_scale(x)))


@reading()
def sinks_are_capped(x: Inputs) -> Inputs | None:
    """The softcap is applied to the sinks too."""
    if x.sinks is None or x.softcap is None:
        return None
    return x.replace(sinks=x.softcap * np.tanh(x.sinks.astype(np.float64) / x.softcap))


@reading()
def sinks_count_twice(x: Inputs) -> Inputs | None:
    """Each sink counts twice in the sum."""
    return None if x.sinks is None else x.replace(sinks=x.sinks.astype(np.float64) + np.log(2))


@reading()
def sinks_count_once_per_block_of_64(x: Inputs) -> Inputs | None:
    """Each sink counts once for each block of 64 keys."""
    blocks = -(-x.k.shape[2] // 64)
    return None if x.sinks is None or blocks < 3 else x.replace(sinks=x.sinks.astype(np.float64) + np.log(blocks))


@reading()
def negative_sinks_are_ignored(x: Inputs) -> Inputs | None:
    """Sinks below 0 are ignored."""
    if x.sinks is None or not (x.sinks < 0).any():
        return None
    return x.replace(sinks=np.where(x.sinks < 0, -np.inf, x.sinks.astype(np.float64)))


@reading()
def sinks_are_read_by_key_head(x: Inputs) -> Inputs | None:
    """Query head h has the sink h // group."""
    return None if x.sinks is None else x.replace(sinks=x.sinks[np.arange(x.sinks.size) // max(x.group, 1)])


@reading()
def the_first_sink_serves_all_heads(x: Inputs) -> Inputs | None:
    """All heads have the sink of head 0."""
    return None if x.sinks is None else x.replace(sinks=np.broadcast_to(x.sinks[:1], x.sinks.shape))
