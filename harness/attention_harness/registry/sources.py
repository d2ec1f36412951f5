"""Declarations from beside the function: the file `attention-harness.toml` in the folder of its code, and `NAME=VALUE` of a command.

The command counts before the file, and the file before the attributes of the function. Dictionaries are joined name by name.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

from attention_harness.registry.declarations import KINDS
from attention_specs.choices import nearest
from attention_specs.contract import ATTRIBUTES, CHOICES, Conventions

FILE = "attention-harness.toml"

FLAGS = ("gradient", "contiguous")
LISTS = ("dtypes", "options", "ignored", "positional", "returns", "domain")
DECLARABLE = tuple(name for name in ATTRIBUTES if name not in ("conventions", "backward"))
"""Attributes that a text can give."""
MAPPINGS = tuple(name for name, (kind, _) in KINDS.items() if name in DECLARABLE and issubclass(dict, kind))
"""Those that may be dictionaries."""

Declarations = dict[str, object]


def joined(*sources: Mapping[str, object]) -> Declarations:
    """The declarations of all sources; a later one counts before an earlier one."""
    together: Declarations = {}
    for source in sources:
        for name, value in source.items():
            before = _as_mapping(together.get(name))
            both = isinstance(before, Mapping) and isinstance(value, Mapping)
            together[name] = {**before, **value} if both else value  # type: ignore[dict-item]
    return together


def _as_mapping(value: object) -> object:
    return asdict(value) if isinstance(value, Conventions) else value


def beside(path: Path, function: str) -> Declarations:
    """What the file beside this code declares of the function, in a table `[function]`, or `["code.py:function"]`, which counts first.

    Raises ValueError for a file that cannot be read so.
    """
    file = path.parent / FILE
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{FILE}={str(error)!r}, but should be a TOML file with a table for each function, [{function}]"
        ) from error
    both = [tables.get(name, {}) for name in (function, f"{path.name}:{function}")]
    for table in both:
        if not isinstance(table, dict):
            raise ValueError(f"{function}={table} in {FILE}, but should be a table, [{function}]")
        _require_known(table)
    return joined(*both)


def _require_known(table: Mapping[str, object]) -> None:
    known = (*DECLARABLE, "conventions")
    if unknown := [name for name in table if name not in known]:
        near = nearest(unknown[0], known) or f"among {', '.join(known)}"
        raise ValueError(f"{unknown[0]} in {FILE}, but should be {near}")


def parsed(texts: Iterable[str]) -> Declarations:
    """The declarations in texts NAME=VALUE: conventions, and attributes of the function. ValueError for one that is none.

    >>> parsed(["layout=blhd", "names=mask:attn_mask", "names=scale:sm_scale", "returns=out,lse", "lse_base=2"])
    {'layout': 'blhd', 'names': {'mask': 'attn_mask', 'scale': 'sm_scale'}, 'returns': ['out', 'lse'], 'lse_base': '2'}
    >>> parsed(["rotary=base:500000,pairs:halves", "storage=format:float8_e4m3fn"])
    {'rotary': {'base': '500000', 'pairs': 'halves'}, 'storage': {'format': 'float8_e4m3fn'}}
    >>> parsed(["domain=head_dim in {64, 128}, batch == 1", "domain=is_causal == True"])
    {'domain': ['head_dim in {64, 128}', 'batch == 1', 'is_causal == True']}
    """
    together: Declarations = {}
    for declared in map(_parsed, texts):
        for name, value in declared.items():
            before = together.get(name)
            value = [*before, *value] if isinstance(before, list) and isinstance(value, list) else value
            together = joined(together, {name: value})
    return together


def _parsed(text: str) -> Declarations:
    name, _, value = text.partition("=")
    if name in CHOICES:
        return {name: _choice(name, value, text)}
    if name not in DECLARABLE:
        raise ValueError(f"declare={name}, but should be one of {', '.join((*CHOICES, *DECLARABLE))}")
    if not value:
        raise ValueError(f"declare={text}, but should be {name}={EXAMPLES.get(name, 'VALUE')}")
    return {name: _value(name, value)}


EXAMPLES = {
    "names": "mask:attn_mask,scale:sm_scale",
    "positional": "q,k,v,mask",
    "returns": "out,lse",
    "layout": "blhd",
    "form": "packed",
    "lse_layout": "lh",
    "mask_means": "hidden",
    "contiguous": "true",
    "ignored": "block",
    "dtypes": "float32",
    "precision": "scores-rounded",
    "framework": "torch",
    "domain": "'head_dim in {64, 128}'",
    "rotary": "base:10000,pairs:halves",
    "storage": "format:float8_e4m3fn,arrays:kv,scales:head",
    "weights": "w_q:query_proj.weight,w_o:final.weight",
}


def _choice(name: str, value: str, text: str) -> bool | str:
    matches = [choice for choice in CHOICES[name] if str(choice).lower() == value.lower()]
    if not matches:
        raise ValueError(f"declare={text}, but should be {name}= one of {', '.join(map(str, CHOICES[name]))}")
    return matches[0]


def _value(name: str, value: str) -> object:
    parts = [part.strip() for part in re.split(r",(?![^{]*})", value)]  # no comma of {64, 128}
    if name in FLAGS:
        return {"true": True, "false": False}.get(value.lower(), value)
    if name in LISTS:
        return parts
    if name in MAPPINGS and ":" in value:
        return {key.strip(): inner.strip() for key, _, inner in (part.partition(":") for part in parts)}
    return value


def written(declarations: Mapping[str, object]) -> list[str]:
    """The texts NAME=VALUE of declarations: what `parsed` reads."""

    def text(value: object) -> str:
        if isinstance(value, Mapping):
            return ",".join(f"{key}:{inner}" for key, inner in value.items())
        return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)

    return [f"{name}={text(value)}" for name, value in declarations.items()]
