"""Observations beside declarations, and the declaration that follows from the observations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from attention_harness.generation.conditions import AS_DECLARED
from attention_harness.probe.empty_rows import UNSPECIFIED, implied
from attention_harness.probe.experiments import Observation, Value
from attention_harness.registry.targets import Target
from attention_specs.contract import Conventions, Description
from attention_specs.formats import DTYPES
from attention_specs.precision import default_model, held_to

UNTOLD, MATCHES, COULD, OWED, REFUTED, DIFFERS, NOTED = (
    "not told",
    "matches",
    "could be declared",
    "must be declared",
    "contradicts",
    "differs from the specification",
    "noted",
)


FORM = ("layout", "mask_means")
"""Kinds of observations that are attributes of the same name."""


@dataclass(frozen=True)
class ProbeReport:
    """All observations about one implementation."""

    target: Target
    description: Description
    observations: Sequence[Observation]

    def expected(self, observation: Observation) -> Value:
        """The declared value, or the default where nothing is declared."""
        if observation.kind == "precision":
            return held_to(self.description.precision, observation.name.split()[1])
        if observation.kind in ("dtypes", *FORM):
            return getattr(self.description, observation.kind)
        return (
            getattr(self.description.conventions, observation.name, None)
            if observation.kind == "convention"
            else observation.fixed
        )

    def is_declared(self, observation: Observation) -> bool:
        """Whether the author declared it; otherwise it is a default."""
        if observation.kind == "precision":
            return observation.name.split()[1] in self.description.precision
        return observation.name in self.description.declared

    def verdict(self, observation: Observation) -> str:
        """The relation of the observation to the declaration."""
        if observation.kind == "domain":
            return NOTED
        if observation.differs:
            return REFUTED if self.is_declared(observation) else DIFFERS
        if observation.value is None:
            return UNTOLD
        if observation.kind == "fixed" or _same(observation, self.expected(observation)):
            return MATCHES
        if not observation.refuted and _stronger(observation, self.expected(observation)):
            return COULD
        return REFUTED if self.is_declared(observation) else OWED

    def having(self, *verdicts: str) -> list[Observation]:
        """The observations with one of these verdicts."""
        return [observation for observation in self.observations if self.verdict(observation) in verdicts]

    @property
    def answered(self) -> bool:
        """Whether any observation has a value."""
        return any(observation.value is not None for observation in self.observations)

    @property
    def matches(self) -> bool:
        """Whether all experiments agree with the declaration, defaults included."""
        return not self.having(OWED, REFUTED, DIFFERS)

    @property
    def wrong(self) -> bool:
        """Whether an experiment refutes a declaration, or shows a behaviour that no declaration covers. A missing one is not wrong."""
        return bool(self.having(REFUTED, DIFFERS))

    def declaration(self) -> dict[str, object]:
        """Attribute -> value, where it differs from the defaults."""
        known = [observation for observation in self.observations if observation.value is not None and not observation.differs]
        conventions = {f.name: f.value for f in known if f.kind == "convention" and f.value != getattr(Conventions(), f.name)}
        by_dtype = {f.name.split()[1]: f.value for f in known if f.kind == "precision"}
        precision = {dtype: model for dtype, model in by_dtype.items() if model != default_model(dtype)}
        dtypes = next((f.value for f in known if f.kind == "dtypes" and _parts(f.value) != set(DTYPES)), None)
        form = {f.kind: f.value for f in known if f.kind in FORM and f.value != getattr(Description, f.kind)}
        where = [str(f.value).split(", ") for f in known if f.kind == "domain" and isinstance(f.value, str)]
        domain = [AS_DECLARED[condition] for conditions in where for condition in conditions if condition in AS_DECLARED]
        attributes = {**form, "domain": domain, "dtypes": dtypes, "conventions": conventions, "precision": precision}
        return {name: value for name, value in attributes.items() if value}

    def to_json(self) -> dict[str, object]:
        """The document that `--json` prints."""
        rows = [
            {"name": f.name, "value": f.value, "held_to": self.expected(f), "declared": self.is_declared(f),
             "verdict": self.verdict(f), "evidence": f.evidence}
            for f in self.observations
        ]  # fmt: skip
        return {"target": self.target.name, "found": rows, "declaration": self.declaration(), "matches": self.matches}


def _same(observation: Observation, expected: Value) -> bool:
    """Whether it is the declaration; of dtypes, also none; of empty rows, in each dtype and form; of models, in any order."""
    if observation.kind == "dtypes":
        return expected is None or _parts(expected) == _parts(observation.value)
    if observation.row_values:
        return all(declared == value for declared, value in _rows(observation, expected))
    if observation.kind == "precision":
        return _parts(observation.value) == _parts(expected)
    return bool(observation.value == expected)


def _parts(value: Value) -> set[str]:
    """The dtypes of a tuple, or the models that a precision is the sum of."""
    return set(value) if isinstance(value, tuple) else set(str(value).split("+"))


def _rows(observation: Observation, expected: Value) -> Iterator[tuple[str, str]]:
    """The declared and the observed value of empty rows, for each dtype and form."""
    for dtype, forms in (observation.row_values or {}).items():
        yield from ((implied(expected, form, forms, dtype), value) for form, value in forms.items())


def _stronger(observation: Observation, expected: Value) -> bool:
    """Whether it is more than the declaration: a further promise, a tighter model, a further dtype."""
    if observation.kind == "dtypes":
        return _parts(expected) < _parts(observation.value)
    if observation.row_values:
        return all(declared in (value, UNSPECIFIED) for declared, value in _rows(observation, expected))
    if observation.name == "masked_nan_safe":
        return not expected or observation.value is True
    return observation.kind == "precision" or (expected is False and observation.value is True)
