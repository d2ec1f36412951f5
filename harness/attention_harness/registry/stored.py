"""The storage that a function declares, beside the scales that its signature names and the dtype of its output; its rotation."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict

from attention_specs.attention.storage import Storage
from attention_specs.choices import one_of
from attention_specs.contract import SCALES
from attention_specs.forms.padded import Padded
from attention_specs.multi_head.rotary import Rotary


def storage_of(function: Callable[..., object], options: Collection[str], form: type[Padded] = Padded) -> Mapping[str, str]:
    """As declared, with every part named. ValueError where the signature has no scales for it, or scales for nothing.

    Scales of tokens and blocks are those of padded arrays: nobody says where they lie in the rows and pages of other forms.
    """
    storage, dtypes = Storage.declared(getattr(function, "storage", {})), getattr(function, "dtypes", None)
    wanted, named = (() if storage is None else storage.options), [name for name in SCALES if name in options]
    if missing := [name for name in wanted if name not in options]:
        raise ValueError(f"parameter={missing[0]}, but should be there: storage is declared, and it is passed the scales")
    if unused := [name for name in named if name not in wanted]:
        raise ValueError(f"parameter={unused[0]}, but should belong to a storage that is declared: a format, arrays and scales")
    if storage and "q" in storage.arrays and len(dtypes or ()) != 1:
        raise ValueError(f"dtypes={dtypes}, but should be one, that of the output: queries are stored in {storage.format}")
    if storage:
        one_of(f"scales of storage in form={form.name}", storage.scales, form.scales)
    return {} if storage is None else asdict(storage)


def rotary_of(function: Callable[..., object], spec: str) -> Mapping[str, str]:
    """As declared, with every part named. ValueError outside of a layer."""
    rotary = Rotary.declared(getattr(function, "rotary", {}))
    if rotary and spec != "multi-head":
        raise ValueError(
            f"rotary={rotary.text}, but should be left out of {spec}: it gets queries and keys that are turned already"
        )
    return {} if rotary is None else {"base": repr(rotary.base), "pairs": rotary.pairs}
