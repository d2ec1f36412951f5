"""The call of a module: which of its parameters take queries, keys, values and a mask."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass

from attention_harness.registry.modules.weight_names import LETTERS, words

ROLES = {"query": LETTERS["q"], "key": LETTERS["k"], "value": LETTERS["v"]}
BETWEEN = "check the function between its projections, behind the rotation of queries and keys where there is one"
"""The advice for a layer that no reading explains."""
APART = ("mask", "padding", "past", "cache", "pos", "position", "positions", "bias", "lengths")
"""Words of parameters that are no arrays of the layer, whatever else their names say."""

MASKS = ("mask", "attn_mask", "attention_mask")
"""Names that are taken for the mask before others with that word."""

FLAGS = {"need_weights": False, "is_causal": False, "deterministic": True, "training": False, "train": False}
"""Parameters that get a value of ours where they have none, or the opposite."""


@dataclass(frozen=True)
class Forward:
    """Parameter -> what it gets: an array of the layer by name, the mask, or a value of ours."""

    arrays: dict[str, str]
    mask: str
    flags: dict[str, bool]

    mask_needed: bool
    """Whether every call has to pass one."""

    @property
    def itself(self) -> bool:
        """Whether it takes one array, and attends to itself."""
        return len(set(self.arrays.values())) == 1

    @property
    def text(self) -> str:
        """The call in words."""
        arrays = ", ".join(f"{name}={array}" for name, array in self.arrays.items())
        return f"called with {arrays}" + (f", {self.mask}=mask" if self.mask else "")


def forward_of(call: Callable[..., object]) -> Forward:
    """By the names of the parameters of a method. ValueError where one without a default means nothing known."""
    named = list(inspect.signature(call).parameters.items())[1:]
    parameters = {name: one for name, one in named if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)}
    positional = [n for n, p in parameters.items() if p.kind != p.KEYWORD_ONLY and not set(words(n)) & set(APART)]
    arrays = {n: role for n in positional for role, known in ROLES.items() if set(words(n)) & set(known)}
    if not {"key", "value"} <= set(arrays.values()):
        arrays = {}
    if positional and "query" not in arrays.values():
        first = next((n for n in positional if n not in arrays), "")
        arrays = {**({first: "query"} if first else {}), **arrays}
    masks = sorted((n for n in parameters if "mask" in words(n)), key=lambda n: MASKS.index(n) if n in MASKS else len(MASKS))
    rest = {n: p for n, p in parameters.items() if n not in arrays and n not in masks[:1]}
    required = [n for n, p in rest.items() if p.default is p.empty and n not in FLAGS]
    context = required if len(required) == 1 and set(arrays.values()) == {"query"} and required[0] in positional else []
    arrays |= dict.fromkeys(context, "query")
    if not arrays or (required and not context):
        wanted = "should take x, or a query, key and value, and a mask at most"
        raise ValueError(f"forward=({', '.join(parameters)}), but {wanted}; of another layer {BETWEEN}")
    mask = masks[0] if masks else ""
    needed = bool(mask) and parameters[mask].default is inspect.Parameter.empty
    return Forward(arrays, mask, {n: FLAGS[n] for n, p in rest.items() if n in FLAGS and _differs(p.default, FLAGS[n])}, needed)


def _differs(default: object, value: object) -> bool:
    return default is inspect.Parameter.empty or (default is not None and bool(default) != value)
