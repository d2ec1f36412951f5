"""The call of a module by the names of its parameters, and its construction."""

from __future__ import annotations

import pytest

from attention_harness.registry.modules.forward import forward_of
from attention_harness.registry.modules.sizes import Size, arguments_for, constructor_arguments


def of_one(self, x): ...
def of_one_with_mask(self, hidden_states, attention_mask=None): ...
def of_three(self, q, k, v, mask): ...
def in_another_order(self, values, keys, query, mask=None): ...
def of_a_library(self, query, key, value, key_padding_mask=None, need_weights=True, attn_mask=None, is_causal=False): ...
def with_random_numbers(self, query, key_, value, mask=None, *, key=None): ...
def with_context(self, x, context): ...
def with_training(self, x, training): ...
def with_positions(self, x, rope): ...
def of_nothing(self): ...


@pytest.mark.parametrize(
    ("call", "arrays", "mask", "flags"),
    [
        (of_one, {"x": "query"}, "", {}),
        (of_one_with_mask, {"hidden_states": "query"}, "attention_mask", {}),
        (of_three, {"q": "query", "k": "key", "v": "value"}, "mask", {}),
        (in_another_order, {"values": "value", "keys": "key", "query": "query"}, "mask", {}),
        (of_a_library, {"query": "query", "key": "key", "value": "value"}, "attn_mask", {"need_weights": False}),
        (with_random_numbers, {"query": "query", "key_": "key", "value": "value"}, "mask", {}),
        (with_context, {"x": "query", "context": "query"}, "", {}),
        (with_training, {"x": "query"}, "", {"training": False}),
    ],
)
def test_parameters_get_what_their_names_say(call, arrays, mask, flags):
    forward = forward_of(call)
    assert (forward.arrays, forward.mask, forward.flags) == (arrays, mask, flags)
    assert forward.itself == (set(arrays.values()) == {"query"})
    assert forward.mask_needed == (call is of_three)


@pytest.mark.parametrize("call", [of_nothing])
def test_a_call_without_arrays_is_refused(call):
    with pytest.raises(ValueError, match="but should take x, or a query, key and value, and a mask at most"):
        forward_of(call)


class Sized:
    def __init__(self, embed_dim, n_heads, dim_head=64, dropout=0.1, max_len=512, qkv_bias=False, eps=1e-5): ...


class Configured:
    def __init__(self, config): ...


class Unclear:
    def __init__(self, d_model, groups): ...


def test_a_constructor_gets_sizes_by_well_known_names():
    wanted = {"embed_dim": 12, "n_heads": 2, "dim_head": 6, "dropout": 0.0, "max_len": 64, "qkv_bias": True}
    assert constructor_arguments(Sized, arguments_for(Size(12, 2, 2), 64)) == wanted
    config = constructor_arguments(Configured, arguments_for(Size(12, 2, 2), 64))["config"]
    assert (config.n_embd, config.n_head, config.hidden_size, config.block_size) == (12, 2, 12, 64)


def test_an_unclear_constructor_is_refused_with_what_to_write():
    with pytest.raises(
        ValueError, match=r"constructor=Unclear\(groups\), .* an instance in that file, such as layer = Unclear\("
    ):
        constructor_arguments(Unclear, arguments_for(Size(12, 2, 2), 64))
