"""A description that a process sent, looked at before anything is done by it: foreign code can write to the pipe too.

What `describe` makes is of the known frameworks, options and dtypes. A forged description is the only one that is not; its
name would else be part of a path, and its parameters part of a program.
"""

from __future__ import annotations

from dataclasses import replace

from attention_harness.errors import CallFailed, Outcome, printable
from attention_harness.frameworks import DEVICES
from attention_harness.process.messages import LONGEST_TEXT
from attention_harness.registry.declarations import POSITIONAL
from attention_harness.registry.well_known import SWITCHES
from attention_specs.choices import one_of
from attention_specs.contract import LSE_LAYOUTS, MASK_MEANINGS, OPTIONS, SCALES, Conventions, Description
from attention_specs.formats import DTYPES
from attention_specs.forms import FORMS
from attention_specs.multi_head.domain import declared
from attention_specs.multi_head.rotary import Rotary
from attention_specs.precision import named_precision


def accepted(described: Description, name: str) -> Description:
    """The description, with texts that can be printed. CallFailed for one that is forged."""
    try:
        refuse_forged(described, name)
    except ValueError as error:
        raise CallFailed(Outcome.CRASHED, printable(f"the description is forged: {error}")) from None
    notes = tuple(map(printable, described.notes))
    return replace(described, summary=printable(described.summary), version=printable(described.version), notes=notes)


def refuse_forged(described: Description, name: str) -> None:
    """ValueError for a description that is not of the implementation `name`, or that no declaration gives."""
    _among("form", described.form, FORMS)
    form = FORMS[described.form]
    known: dict[str, tuple[object, object]] = {
        "name": (described.name, (name,)),
        "spec": (described.spec, POSITIONAL),
        "framework": (described.framework, DEVICES),
        "layout": (described.layout, form.layouts),
        "lse_layout": (described.lse_layout, LSE_LAYOUTS),
        "mask_means": (described.mask_means, MASK_MEANINGS),
    }
    for field, (value, choices) in known.items():
        _among(field, value, choices)
    device, colon, number = described.device.partition(":")
    _among("device", device if bool(colon) == number.isdecimal() else described.device, DEVICES[described.framework])
    for field, values, choices in (
        ("options", (*described.options, *described.names, *described.implied), (*OPTIONS, *SCALES, *form.metadata)),
        ("dtypes", (*(described.dtypes or ()), *described.precision), DTYPES),
        ("metadata", described.metadata, form.metadata),
        ("switches", described.switches, SWITCHES),
    ):
        for value in values:
            _among(field, value, choices)
    _require_parameters(described)
    if long := [text for text in (described.summary, described.version, *described.notes) if len(text) > LONGEST_TEXT]:
        raise ValueError(f"text={long[0][:40]!r}..., but should have {LONGEST_TEXT} characters at most")
    for dtype, precision in described.precision.items():
        named_precision(precision, dtype)
    declared(described.spec, described.domain)
    Rotary.declared(described.rotary)
    Conventions.declared(vars(described.conventions))


def _among(field: str, value: object, choices: object) -> None:
    assert isinstance(choices, tuple | dict)
    if value not in choices:
        one_of(field, value, choices)
        raise ValueError(f"{field}={value!r}, but should be one of {', '.join(choices)}")


def _require_parameters(described: Description) -> None:
    names = (*described.names.values(), *described.positional, *described.needed, *described.returns)
    if strange := [name for name in names if not name.isidentifier()]:
        raise ValueError(f"parameter={strange[0]!r}, but should be a name")
