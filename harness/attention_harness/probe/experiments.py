"""An experiment is a function of the probe session that returns observations. Adding one is writing one.

    @experiment("softcap")
    def softcap_order(session: ProbeSession) -> Observation:
        ...

The options are those that the signature must name. `layers` says that it suits the multi-head spec too: it then asks with
`session.inputs`, and not with `session.x`, which is attention alone. Experiments run in the order in which their modules are
imported, since the later ones ask in terms that the earlier ones establish.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from attention_harness.errors import REFUSALS, CallFailed
from attention_harness.probe.session import NOTHING, ProbeSession, UnaskableQuestion
from attention_specs.registry import Registry

Value = bool | str | tuple[str, ...] | Mapping[str, str | Mapping[str, str]] | None
"""A choice, dtypes, choices by form or dtype as `empty_rows` is declared, or None where it is unknown."""


@dataclass(frozen=True)
class Observation:
    """The result of one experiment. `value` None: unknown; `fixed`: the value of the specification, where it leaves no choice.

    `kind` is "convention", "precision", "dtypes", "layout", "fixed", or "domain" for the calls that are answered, which nobody
    declares; `refuted`: the declaration was tested by itself, and it fails.
    """

    name: str
    value: Value
    evidence: str
    kind: str = "convention"
    fixed: str | None = None
    refuted: bool | None = None
    row_values: Mapping[str, Mapping[str, str]] | None = None
    """Of empty rows: dtype -> form -> the value of the rows."""

    @property
    def differs(self) -> bool:
        """Whether no declaration covers it: another value than the fixed one, no reading that fits, or no precision model."""
        if self.value is None:
            return self.kind == "precision" and bool(self.refuted)
        return self.value == NOTHING or (self.kind == "fixed" and self.value != self.fixed)


ANSWER = "an answer"
"""The fixed value of a call that dies."""

Result = Observation | Iterable[Observation]


@dataclass(frozen=True)
class Experiment:
    """A registered experiment."""

    name: str
    title: str
    """Name of its observation where it fails."""
    run: Callable[[ProbeSession], Result]
    options: tuple[str, ...]
    layers: bool

    def suits(self, session: ProbeSession) -> bool:
        """Whether the implementation can be asked this at all."""
        return session.takes(*self.options) and (self.layers or not session.layer)

    def __call__(self, session: ProbeSession) -> list[Observation]:
        """The observations; a crash, a hang or an exception is one too, and ends only this experiment."""
        session.under_test.forget()
        try:
            observations = self.run(session)
            return [observations] if isinstance(observations, Observation) else list(observations)
        except UnaskableQuestion as reason:
            return [Observation(self.title, None, f"not asked: {reason}")]
        except CallFailed as failure:
            evidence = f"{failure.outcome}: {' '.join(str(failure).split())}"
            if failure.outcome in REFUSALS:
                return [Observation(self.title, None, f"not asked: {evidence}")]
            session.off |= set(self.options)
            return [Observation(self.title, failure.outcome, evidence, "fixed", ANSWER)]


EXPERIMENTS: Registry[Experiment] = Registry("experiment")


def experiment(
    *options: str, layers: bool = False, title: str = ""
) -> Callable[[Callable[[ProbeSession], Result]], Callable[[ProbeSession], Result]]:
    """Registers the function under its own name; `title` is the name of its observation, if another."""

    def register(function: Callable[[ProbeSession], Result]) -> Callable[[ProbeSession], Result]:
        name = function.__name__
        EXPERIMENTS.register(Experiment(name, title or name, function, options, layers), name)
        return function

    return register
