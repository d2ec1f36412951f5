"""What an experiment is: a function of the lab that returns what it found. Adding one is writing one.

    @experiment("softcap")
    def softcap_order(lab: Lab) -> Observation:
        ...

The options are those that the signature must name; `layers` says that it suits the multi-head spec too. Experiments run in
the order in which their modules are imported, since the later ones ask in terms that the earlier ones found out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from attention_harness.errors import REFUSALS, CallFailed
from attention_harness.probe.session import NOTHING, Lab, NotAsked


@dataclass(frozen=True)
class Observation:
    """One thing that was found out. `value` None: it could not be told; `fixed`: what the specification says, where it lets no choice.

    `kind` is "convention", "precision", "dtypes", "layout", "fixed", or "domain" for what is answered, of which nothing is
    declared; `refuted`: what is declared was looked at by itself, and it fails.
    """

    name: str
    value: Any
    evidence: str
    kind: str = "convention"
    fixed: Any = None
    refuted: bool | None = None
    asked: Any = None
    """Of empty rows: dtype -> form -> what rows give."""

    @property
    def differs(self) -> bool:
        """Whether it is what no declaration says: not what is fixed, no reading that fits, or no precision model that is kept."""
        if self.value is None:
            return self.kind == "precision" and bool(self.refuted)
        return self.value == NOTHING or (self.kind == "fixed" and self.value != self.fixed)


ANSWER = "an answer"
"""What is fixed of a call that dies."""

Result = Observation | Iterable[Observation]


@dataclass(frozen=True)
class Experiment:
    """A registered experiment."""

    name: str
    title: str
    """What it finds out, where it cannot."""
    run: Callable[[Lab], Result]
    options: tuple[str, ...]
    layers: bool

    def suits(self, lab: Lab) -> bool:
        """Whether the implementation can be asked this at all."""
        return lab.takes(*self.options) and (self.layers or not lab.layer)

    def __call__(self, lab: Lab) -> list[Observation]:
        """What was found; a crash, a hang or an exception is found out too, and ends nothing but this experiment."""
        lab.subject.forget()
        try:
            found = self.run(lab)
            return [found] if isinstance(found, Observation) else list(found)
        except NotAsked as reason:
            return [Observation(self.title, None, f"not asked: {reason}")]
        except CallFailed as trouble:
            said = f"{trouble.outcome}: {' '.join(str(trouble).split())}"
            if trouble.outcome in REFUSALS:
                return [Observation(self.title, None, f"not asked: {said}")]
            lab.off |= set(self.options)
            return [Observation(self.title, trouble.outcome, said, "fixed", ANSWER)]


EXPERIMENTS: list[Experiment] = []


def experiment(
    *options: str, layers: bool = False, title: str = ""
) -> Callable[[Callable[[Lab], Result]], Callable[[Lab], Result]]:
    """Registers the function, named like what it finds out unless a title is given."""

    def register(function: Callable[[Lab], Result]) -> Callable[[Lab], Result]:
        EXPERIMENTS.append(Experiment(function.__name__, title or function.__name__, function, options, layers))
        return function

    return register
