"""The weights of a module by their names: which parameter is which of the layer's, and what a fused one holds.

>>> role_of("attn.W_q.weight", (8, 8)), role_of("in_proj_bias", (24,)), role_of("to_out.0.weight", (8, 8)), role_of("norm.weight", (8,))
('w_q', 'b_qkv', 'w_o', '')
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping

from attention_harness.registry.modules.kinds import Parameter

ROLES = tuple(f"{kind}_{letters}" for kind in "wb" for letters in ("q", "k", "v", "o", "qkv", "kv"))
"""Weights and biases of the layer; `w_qkv` is a fused one."""

WeightMap = dict[str, tuple[str, ...]]
"""Role -> the parameter that plays it, or one for each head."""

LETTERS = {
    "q": ("q", "query", "queries"),
    "k": ("k", "key", "keys"),
    "v": ("v", "value", "values"),
    "o": ("o", "out", "output", "unifyheads", "combine", "merge", "concat", "final"),
    "qkv": ("qkv", "in", "attn"),
    "kv": ("kv",),
}
WORDS = {f"{kind}{word}": letters for letters, words in LETTERS.items() for word in words for kind in ("", "w", "b")}
"""Word of a name -> the projections that it means: `c_attn` and `in_proj` are fused."""

LAST = ("proj", "projection", "dense", "fc", "linear")
"""Words for the output projection, where no other name means it."""

NO_COMPONENT = re.compile(r"weight|bias|kernel|w|b|\d+")


def words(name: str) -> list[str]:
    """The words of a name in lower case.

    >>> words("W_Query.toOut0")
    ['w', 'query', 'to', 'out', '0']
    """
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)]


def role_of(name: str, shape: tuple[int, ...]) -> str:
    """The role by the last part of the name that means one; "" for none."""
    kind = "b" if "bias" in words(name) or len(shape) == 1 else "w"
    for component in reversed(name.replace("_weight", "").replace("_bias", "").split(".")):
        if NO_COMPONENT.fullmatch(component):
            continue
        letters = {WORDS[word] for word in words(component) if word in WORDS}
        together = "".join(letter for letter in "qkvo" if any(letter in one for one in letters))
        if f"w_{together}" in ROLES:
            return f"{kind}_{together}"
        if (not letters and LAST[0] in words(component)) or component in LAST:
            return f"{kind}_last"
        if component in ("norm", "ln", "layernorm", "layer_norm"):
            return ""
    return ""


def guessed(parameters: Mapping[str, Parameter]) -> WeightMap:
    """The map by names; a last projection is the output's where no other is, and four of one name are q, k, v, o."""
    by_role: dict[str, list[str]] = defaultdict(list)
    for name, one in parameters.items():
        by_role[role_of(name, one.shape) or _by_number(name, one, parameters)].append(name)
    for kind in "wb":
        last = by_role.pop(f"{kind}_last", [])
        if last and f"{kind}_o" not in by_role and len(last) == 1:
            by_role[f"{kind}_o"] = last
    return {role: tuple(sorted(names, key=_numbers)) for role, names in by_role.items() if role}


def _numbers(name: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", name)]


def _by_number(name: str, parameter: Parameter, parameters: Mapping[str, Parameter]) -> str:
    """The role of one of four that differ in a number alone, such as `linears.0.weight`."""
    stem = re.sub(r"\d+", "#", name)
    alike = sorted((other for other in parameters if re.sub(r"\d+", "#", other) == stem), key=_numbers)
    kind = "b" if len(parameter.shape) == 1 else "w"
    return f"{kind}_{'qkvo'[alike.index(name)]}" if len(alike) == 4 and "#" in stem else ""


def declared(weights: Mapping[str, str], parameters: Mapping[str, Parameter]) -> WeightMap:
    """The map as declared, role -> name, or names joined by "+" of which each is for one head. ValueError for unknown ones."""
    if unknown := [role for role in weights if role not in ROLES]:
        raise ValueError(f"weights={unknown[0]}, but should be among {', '.join(ROLES)}")
    chosen = {role: tuple(name.split("+")) for role, name in weights.items()}
    if gone := [name for names in chosen.values() for name in names if name not in parameters]:
        raise ValueError(f"weights={gone[0]}, but should be a parameter of the module: {', '.join(parameters)}")
    return chosen


def refuse_incomplete(chosen: WeightMap, parameters: Mapping[str, Parameter]) -> None:
    """ValueError unless queries, keys and values have weights, and every parameter its role."""
    covered = {letter for role in chosen if role.startswith("w_") for letter in role[2:]}
    taken = {name for names in chosen.values() for name in names}
    unclear = [name for name in parameters if name not in taken]
    lacking = [f"w_{letter}" for letter in "qkv" if letter not in covered]
    if unclear or lacking:
        raise ValueError(
            f"weights={', '.join(lacking) or 'all'} {'unknown' if lacking else 'known'}, left over: {', '.join(unclear) or 'none'}; "
            f"should have each parameter in its role, declare it, {declaration(chosen, unclear)}"
        )


def declaration(chosen: WeightMap, unclear: list[str]) -> str:
    """The declaration to paste, with a place for what is unclear."""
    pairs = [f'"{role}": "{"+".join(names)}"' for role, names in chosen.items()]
    pairs += [f'"w_?": "{name}"' for name in unclear]
    return f"weights = {{{', '.join(pairs)}}}"


def lacks(chosen: WeightMap) -> tuple[str, ...]:
    """The biases and weights of the layer that the module lacks."""
    letters = {kind: {letter for role in chosen if role.startswith(kind) for letter in role[2:]} for kind in "wb"}
    return tuple(f"{kind}_{letter}" for kind in "wb" for letter in "qkvo" if letter not in letters[kind])
