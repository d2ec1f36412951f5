"""Forms: ways to hand over the same call and to read its answer. `padded`, the default, hands it over as it is."""

from __future__ import annotations

from attention_specs.contract import Description
from attention_specs.forms.appending import Appending
from attention_specs.forms.flat import Flat
from attention_specs.forms.packed import Packed
from attention_specs.forms.padded import Padded
from attention_specs.forms.paged import Paged

FORMS: dict[str, type[Padded]] = {form.name: form for form in (Padded, Flat, Packed, Paged, Appending)}
"""Name, as an implementation declares it -> form."""


def form_of(description: Description) -> Padded:
    """The form in which the implementation is called."""
    return FORMS[description.form](description)
