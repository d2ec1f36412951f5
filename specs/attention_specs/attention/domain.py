"""The domain of a function as data: conditions on the sizes and options of a problem, such as `head_dim in {64, 128}`.

>>> domain = Domain.of(["head_dim in {64, 128}", "lengths % 16 == 0", "is_causal == True"])
>>> domain.broken({"head_dim": 64, "query_length": 16, "key_length": 24, "is_causal": True})
'lengths % 16 == 0'
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import gcd, isqrt
from typing import Any

from attention_specs.attention.inputs import Inputs

SIZES = ("batch", "query_heads", "key_heads", "query_length", "key_length", "head_dim", "value_dim")
NUMBERS = (*SIZES, "scale", "softcap")
FIELDS = (*NUMBERS, "is_causal")
GROUPS = {
    "heads": ("query_heads", "key_heads"),
    "lengths": ("query_length", "key_length"),
    "dims": ("head_dim", "value_dim"),
    "sizes": SIZES,
}
"""Name -> the fields that a condition on it holds for, each by itself."""

AXES = {
    "batch": ("qkv", 0), "query_heads": ("q", 1), "key_heads": ("kv", 1), "query_length": ("q", 2), "key_length": ("kv", 2),
    "head_dim": ("qk", 3), "value_dim": ("v", 3),
}  # fmt: skip
"""Size -> the arrays that have it, and their axis."""

FORM = re.compile(
    r"(?P<name>\w+)\s*(?:(?P<modulus>%\s*\d+\s*==)\s*0|in\s*\{(?P<choices>[^}]+)\}|(?P<sign>==|>=|<=|>|<)\s*(?P<value>\S+))"
)
EXAMPLES = "head_dim in {64, 128}, lengths % 64 == 0, query_length == key_length, is_causal == True, scale > 0 or batch == 1"

SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq, ">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt,
}  # fmt: skip

Values = Mapping[str, Any]
"""Field -> its value in a problem; None for an option that is not given, which breaks no condition but one on is_causal."""


@dataclass(frozen=True)
class Condition:
    """One condition on one or more fields: a multiple, one of several choices, or a comparison with a value or another field."""

    text: str
    fields: tuple[str, ...]
    relation: str
    value: Any

    @classmethod
    def parsed(cls, text: str, known: Sequence[str] = FIELDS) -> Condition:
        """The condition in words, on known fields. ValueError for one that is none."""
        match = FORM.fullmatch(text.strip())
        fields = GROUPS.get(match["name"], (match["name"],)) if match else ()
        if match is None or not set(fields) <= set(known):
            raise ValueError(f"domain={text}, but should be a condition on {', '.join((*known, *GROUPS))}: {EXAMPLES}")
        if match["modulus"]:
            return cls(text.strip(), fields, "%", int(re.sub(r"\D", "", match["modulus"])))
        if match["choices"]:
            return cls(text.strip(), fields, "in", tuple(_value(text, one.strip()) for one in match["choices"].split(",")))
        return cls(text.strip(), fields, match["sign"], _value(text, match["value"]))

    def holds(self, values: Values) -> bool:
        """Whether every field meets it; a field that is not given does."""
        wanted = values.get(self.value, self.value) if isinstance(self.value, str) else self.value
        return all(self._meets(values[name], wanted) for name in self.fields if values.get(name) is not None)

    def _meets(self, value: Any, wanted: Any) -> bool:
        if self.relation == "%":
            return bool(value % wanted == 0)
        return value in wanted if self.relation == "in" else SIGNS[self.relation](value, wanted)

    def moved(self, values: Values) -> dict[str, Any]:
        """Field -> the value that meets it, near the old one. Unequal lengths become one, with as many scores as before."""
        if isinstance(self.value, str) and {*self.fields, self.value} == set(GROUPS["lengths"]):
            return dict.fromkeys(GROUPS["lengths"], isqrt(values["query_length"] * values["key_length"]))
        wanted = values[self.value] if isinstance(self.value, str) else self.value
        given = [name for name in self.fields if values.get(name) is not None or self.constant]
        return {name: self._near(values[name], wanted) for name in given}

    def _near(self, value: Any, wanted: Any) -> Any:
        if value is not None and self._meets(value, wanted):
            return value
        if self.relation == "%":
            return -(-value // wanted) * wanted
        if self.relation == "in":
            return wanted[value % len(wanted)]
        step = 1 if isinstance(value, int) else abs(value or 0) or 1
        return wanted + {">": step, "<": -step}[self.relation] if self.relation in "<>" else wanted

    @property
    def constant(self) -> bool:
        """Whether it fixes an option, which a function may have without a parameter."""
        return self.relation == "==" and not isinstance(self.value, str) and self.fields[0] not in SIZES


def _value(text: str, word: str) -> Any:
    """A number, a truth value, or the name of a field."""
    if word in ("True", "False"):
        return word == "True"
    if word in FIELDS:
        return word
    try:
        return int(word) if re.fullmatch(r"-?\d+", word) else float(word)
    except ValueError as error:
        raise ValueError(f"domain={text}, but should compare with a number, True, False or a field, not with {word}") from error


@dataclass(frozen=True)
class Domain:
    """All conditions; an empty one takes every problem."""

    conditions: tuple[Condition, ...] = ()

    @classmethod
    def of(cls, texts: Iterable[str], more: Sequence[str] = ()) -> Domain:
        """From conditions in words, also on fields of a spec of its own. ValueError for one that is none."""
        return cls(tuple(Condition.parsed(text, (*FIELDS, *more)) for text in texts))

    def __bool__(self) -> bool:
        return bool(self.conditions)

    def broken(self, values: Values) -> str:
        """The first condition that does not hold, in words; "" inside the domain."""
        return next((condition.text for condition in self.conditions if not condition.holds(values)), "")

    def moved(self, values: Values) -> dict[str, Any]:
        """Field -> value of a problem inside the domain, near this one. ValueError where none is found."""
        inside = dict(values)
        for _ in self.conditions:
            for condition in self.conditions:
                inside |= condition.moved(inside)
        if (heads := inside.get("query_heads")) and heads % max(inside["key_heads"], 1):
            inside["key_heads"] = gcd(heads, inside["key_heads"])
        if broken := self.broken(inside):
            raise ValueError(f"problem={inside}, but should be one for which {broken}")
        return {name: value for name, value in inside.items() if value != values[name]}

    def outside(self, values: Values) -> Iterator[tuple[str, str, Any]]:
        """A condition in words, a field, and a value of it near the old one with which this condition alone does not hold."""
        for condition in self.conditions:
            others = Domain(tuple(one for one in self.conditions if one is not condition))
            for name in condition.fields:
                for value in _other_values(values.get(name)):
                    changed = {**values, name: value}
                    if not condition.holds(changed) and not others.broken(changed):
                        yield condition.text, name, value
                        break


def _other_values(value: Any) -> tuple[Any, ...]:
    """Values that are tried in place of this one: a neighbour, the double, the opposite."""
    if isinstance(value, bool) or value is None:
        return () if value is None else (not value,)
    return (value - 1, value + 1, 2 * value) if isinstance(value, int) else (-value,)


def values_of(x: Inputs) -> dict[str, Any]:
    """Field of a problem -> its value in these inputs."""
    sizes = {name: getattr(x, arrays[0]).shape[axis] for name, (arrays, axis) in AXES.items()}
    return {**sizes, "scale": x.scale, "softcap": x.softcap, "is_causal": x.is_causal}
