"""The public names for Python programs, from their signatures and docstrings."""

from __future__ import annotations

import inspect

import attention_harness
from generator.markdown import docstring, first_line, page, table

LONGEST_DEFAULT = 60


def pages() -> dict[str, str]:
    """One page: functions first, then the classes of what they return."""
    things = [(name, getattr(attention_harness, name)) for name in attention_harness.__all__]
    things.sort(key=lambda pair: inspect.isclass(pair[1]))
    parts = [_class(name, thing) if inspect.isclass(thing) else _function(name, thing) for name, thing in things]
    lead = (
        "`from attention_harness import ...`; the import alone loads neither NumPy nor a framework. "
        "[From Python](/docs/python.md) has examples."
    )
    return {"python-api.md": page("Python API", lead, *parts)}


def _function(name: str, function: object) -> str:
    return f"## {name}\n\n```python\n{_call(name, function)}\n```\n\n{docstring(function)}"


def _call(name: str, function: object) -> str:
    parameters = list(inspect.signature(function).parameters.values())  # type: ignore[arg-type]
    lines = [_parameter(one) for one in parameters]
    keywords = [n for n, one in enumerate(parameters) if one.kind is one.KEYWORD_ONLY]
    lines[keywords[0] : keywords[0]] = ["*"]
    return f"{name}(\n" + "".join(f"    {line},\n" for line in lines) + ")"


def _parameter(one: inspect.Parameter) -> str:
    stars = "**" if one.kind is one.VAR_KEYWORD else ""
    default = "" if one.default is one.empty else f" = {one.default!r}"
    return f"{stars}{one.name}: {one.annotation}{default if len(default) <= LONGEST_DEFAULT else ' = ...'}"


def _class(name: str, cls: type) -> str:
    members = [(member, getattr(cls, member)) for member in vars(cls) if not member.startswith("_")]
    rows = [
        (f"`{member}{'(...)' if callable(thing) else ''}`", first_line(thing)) for member, thing in members if docstring(thing)
    ]
    return f"## {name}\n\n{docstring(cls)}\n\n{table(('member', 'meaning'), rows)}"
