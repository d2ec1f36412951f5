"""The weights of a module by their names."""

from __future__ import annotations

import pytest

from attention_harness.registry.modules.kinds import Parameter
from attention_harness.registry.modules.weight_names import declared, guessed, lacks, refuse_incomplete, role_of

WEIGHT, BIAS = Parameter((8, 8)), Parameter((8,))


@pytest.mark.parametrize(
    ("name", "role"),
    [
        *(
            (name, "w_q")
            for name in ("W_q", "Wq", "w_query", "attn.q_proj.weight", "to_q.weight", "query.kernel", "q_linear.weight")
        ),
        *(
            (name, "w_k")
            for name in ("key.weight", "W_K.weight", "linear_keys.weight", "k", "self.key_value_cache.k_proj.weight")
        ),
        *((name, "w_v") for name in ("values.weight", "fc_v.weight", "v_proj.kernel", "wv")),
        *(
            (name, "w_o")
            for name in ("W_O", "out_proj.weight", "to_out.0.weight", "output_proj.weight", "fc_out.weight", "unifyheads.weight")
        ),
        *(
            (name, "w_qkv")
            for name in ("in_proj_weight", "c_attn.weight", "to_qkv.weight", "Wqkv.weight", "query_key_value.weight")
        ),
        *((name, "w_kv") for name in ("to_kv.weight", "kv_proj.weight", "key_value.weight")),
        *((name, "w_last") for name in ("proj.weight", "c_proj.weight", "dense.weight", "fc.weight")),
        *((name, "") for name in ("norm.weight", "alpha.weight", "rope.table")),
    ],
)
def test_a_name_means_a_projection(name, role):
    assert role_of(name, (8, 8)) == role
    assert role_of(name, (8,)) == role.replace("w_", "b_")


def test_the_last_projection_is_the_outputs_where_no_other_is():
    assert guessed({"qkv.weight": WEIGHT, "proj.weight": WEIGHT}) == {"w_qkv": ("qkv.weight",), "w_o": ("proj.weight",)}
    assert guessed({"q": WEIGHT, "out": WEIGHT, "proj.weight": WEIGHT})["w_o"] == ("out",)


def test_four_of_one_name_are_in_order():
    names = {f"linears.{number}.{kind}": one for number in range(4) for kind, one in (("weight", WEIGHT), ("bias", BIAS))}
    roles = guessed(names)
    assert [roles[f"w_{letter}"] for letter in "qkvo"] == [(f"linears.{number}.weight",) for number in range(4)]
    assert roles["b_o"] == ("linears.3.bias",)
    assert guessed({f"linears.{number}.weight": WEIGHT for number in range(3)}) == {}


def test_heads_of_their_own_are_in_the_order_of_their_numbers():
    names = {f"heads.{number}.key.weight": WEIGHT for number in (10, 9, 0)}
    assert guessed(names) == {"w_k": ("heads.0.key.weight", "heads.9.key.weight", "heads.10.key.weight")}


def test_what_the_module_lacks():
    assert lacks({"w_qkv": ("a",), "b_o": ("b",)}) == ("w_o", "b_q", "b_k", "b_v")


def test_a_declared_map_counts_and_is_checked():
    parameters = {"a": WEIGHT, "b": WEIGHT}
    assert declared({"w_qkv": "a", "w_o": "b"}, parameters) == {"w_qkv": ("a",), "w_o": ("b",)}
    assert declared({"w_q": "a+b"}, parameters) == {"w_q": ("a", "b")}
    with pytest.raises(ValueError, match="weights=w_x, but should be among w_q, w_k"):
        declared({"w_x": "a"}, parameters)
    with pytest.raises(ValueError, match="weights=c, but should be a parameter of the module: a, b"):
        declared({"w_q": "c"}, parameters)


@pytest.mark.parametrize(
    ("roles", "words"),
    [
        ({"w_q": ("a",)}, "weights=w_k, w_v unknown, left over: b"),
        (
            {"w_qkv": ("a",)},
            'left over: b; should have each parameter in its role, declare it, weights = {"w_qkv": "a", "w_?": "b"}',
        ),
    ],
)
def test_an_incomplete_map_is_refused_with_what_to_declare(roles, words):
    with pytest.raises(ValueError, match=words.replace("?", r"\?").replace("{", r"\{")):
        refuse_incomplete(roles, {"a": WEIGHT, "b": WEIGHT})
