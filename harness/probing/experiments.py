"""What an experiment is: a function of the lab that returns what it found. Adding one is writing one.

    @experiment("softcap")
    def softcap_order(lab: Lab) -> Found:
        ...

The options are those that the signature must name; `layers` says that it suits the multi-head spec too. Experiments run in
the order in which their modules are imported, since the later ones ask in terms that the earlier ones found out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from harness.isolation import Trouble
from harness.probing.lab import Lab


@dataclass(frozen=True)
class Found:
    """One thing that was found out. `value` None: it could not be told; `fixed`: what the specification says, where it lets no choice.

    `kind` is "convention", "precision", "dtypes" or "fixed"; `refuted`: what is declared was looked at by itself, and it fails.
    """

    name: str
    value: Any
    evidence: str
    kind: str = "convention"
    fixed: Any = None
    refuted: bool | None = None


Result = Found | Iterable[Found]


@dataclass(frozen=True)
class Experiment:
    """A registered experiment."""

    name: str
    run: Callable[[Lab], Result]
    options: tuple[str, ...]
    layers: bool

    def suits(self, lab: Lab) -> bool:
        """Whether the implementation can be asked this at all."""
        return lab.takes(*self.options) and (self.layers or not lab.layer)

    def __call__(self, lab: Lab) -> list[Found]:
        """What was found; a crash, a hang or an exception is found out too, and ends nothing but this experiment."""
        lab.subject.forget()
        try:
            found = self.run(lab)
            return [found] if isinstance(found, Found) else list(found)
        except Trouble as trouble:
            return [Found(self.name, None, f"{trouble.outcome}: {' '.join(str(trouble).split())}")]


EXPERIMENTS: list[Experiment] = []


def experiment(*options: str, layers: bool = False) -> Callable[[Callable[[Lab], Result]], Callable[[Lab], Result]]:
    """Registers the function, named like what it finds out."""

    def register(function: Callable[[Lab], Result]) -> Callable[[Lab], Result]:
        EXPERIMENTS.append(Experiment(function.__name__, function, options, layers))
        return function

    return register
