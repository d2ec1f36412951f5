"""What was found against what is declared, and the declaration that says what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.probing.experiments import Found
from harness.targets import Target
from specs.contract import EMPTY_ROWS, Conventions, Description
from specs.dtypes import DTYPES
from specs.precision import default_model, held_to

UNTOLD, MATCHES, COULD, REFUTED, DIFFERS = (
    "not told",
    "matches",
    "could be declared",
    "contradicts",
    "differs from the specification",
)


@dataclass(frozen=True)
class Probed:
    """Everything that was found out about one implementation."""

    target: Target
    description: Description
    found: Sequence[Found]

    def declared(self, found: Found) -> Any:
        """What is declared about it now; defaults count."""
        if found.kind == "precision":
            dtype = found.name.split()[1]
            return held_to(self.description.precision, dtype)
        if found.kind == "dtypes":
            return self.description.dtypes
        return getattr(self.description.conventions, found.name, None) if found.kind == "convention" else found.fixed

    def verdict(self, found: Found) -> str:
        """How the two stand to each other."""
        declared = self.declared(found)
        if found.refuted:
            return REFUTED
        if found.value is None:
            return UNTOLD
        if found.kind == "fixed":
            return MATCHES if found.value == found.fixed else DIFFERS
        if _same(found, declared):
            return MATCHES
        return COULD if _stronger(found, declared) else REFUTED

    def contradictions(self) -> list[Found]:
        """What is declared, or fixed by the specification, and not so."""
        return [found for found in self.found if self.verdict(found) in (REFUTED, DIFFERS)]

    @property
    def answered(self) -> bool:
        """Whether anything at all could be told."""
        return any(found.value is not None for found in self.found)

    @property
    def matches(self) -> bool:
        """Whether no experiment refutes what is declared."""
        return not self.contradictions()

    @property
    def wrong(self) -> bool:
        """Whether something was said that is not so. A function of no name that says nothing is only held to what it says."""
        said = [found for found in self.contradictions() if self.target.registered or self._is_said(found)]
        return bool(said)

    def _is_said(self, found: Found) -> bool:
        if found.kind == "precision":
            return found.name.split()[1] in self.description.precision
        return found.kind == "convention" and self.declared(found) != getattr(Conventions(), found.name, None)

    def declaration(self) -> dict[str, Any]:
        """Attribute -> value, of what differs from the defaults."""
        told = [found for found in self.found if found.value is not None]
        conventions = {f.name: f.value for f in told if f.kind == "convention" and f.value != getattr(Conventions(), f.name)}
        by_dtype = {f.name.split()[1]: f.value for f in told if f.kind == "precision"}
        precision = {dtype: model for dtype, model in by_dtype.items() if model != default_model(dtype)}
        dtypes = next((f.value for f in told if f.kind == "dtypes" and set(f.value) != set(DTYPES)), None)
        layout = next((f.value for f in told if f.name == "layout" and f.value != f.fixed), None)
        facts = {"layout": layout, "dtypes": dtypes, "conventions": conventions, "precision": precision}
        return {name: value for name, value in facts.items() if value}

    def to_json(self) -> dict[str, Any]:
        """The document that `--json` prints."""
        rows = [
            {"name": f.name, "value": f.value, "declared": self.declared(f), "verdict": self.verdict(f), "evidence": f.evidence}
            for f in self.found
        ]
        return {"target": self.target.name, "found": rows, "declaration": self.declaration(), "matches": self.matches}


def _same(found: Found, declared: Any) -> bool:
    """Equal; of dtypes, also where nothing is declared; of empty rows, in each form that is told apart; of models, in any order."""
    if found.kind == "dtypes":
        return declared is None or set(declared) == set(found.value)
    if found.name == "empty_rows":
        return _same_rows(found.value, declared)
    if found.kind == "precision":
        return set(found.value.split("+")) == set(declared.split("+"))
    return bool(found.value == declared)


ASKED = "float32"
"""The dtype in which experiments hide rows."""


def _same_rows(found: Any, declared: Any) -> bool:
    conventions = Conventions(empty_rows=declared)
    if isinstance(found, str):  # by all forms that can be asked: a declaration of the others says nothing
        forms = [form for form in EMPTY_ROWS if form in declared] if isinstance(declared, Mapping) else []
        return all(conventions.empty_rows_of(form, ASKED) == found for form in forms or ["mask"])
    return all(conventions.empty_rows_of(form, ASKED) == value for form, value in found.items())


def _stronger(found: Found, declared: Any) -> bool:
    """More than what is declared: a promise that nobody made, a tighter model, a further dtype."""
    if found.kind == "dtypes":
        return set(declared) < set(found.value)
    return found.kind == "precision" or (declared is False and found.value is True)
