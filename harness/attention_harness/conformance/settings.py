"""The settings of a check."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from zlib import crc32

from attention_harness.process.limits import Limits
from attention_specs.contract import ATTRIBUTES
from attention_specs.formats import DTYPES

PARTS_OF_ALL = 3
"""Parts of the suite where everything that is registered is checked: each implementation is asked one of them."""

QUICK = 15
"""Examples of a quick check. The edge cases and vectors, which find most faults first, are asked all the same."""


@dataclass(frozen=True)
class Settings:
    """The settings of `check`: all that decides which cases are judged."""

    examples: int = 150
    seed: int = 0
    properties: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = DTYPES
    jobs: int = 2
    seconds: float = 30.0
    memory: int = 6144
    executor: str = "local"
    declared: dict[str, object] = field(default_factory=dict)
    """Conventions and attributes of functions by their place."""
    first_stage: bool = False
    """Whether the first stage is all that is asked."""
    budget: float | None = None
    """Seconds of the check of each implementation; None for as many as it takes."""
    go_on: float = 0.0
    """Seconds of the whole check in which new cases of further seeds are asked, all implementations together."""
    fail_fast: bool = False
    """Whether an implementation is asked no more after its first failure."""
    shard: str = ""
    """The part of the suite that is asked, such as 3/16; empty for the whole."""

    parts: int = 1
    """Of how many parts of the suite each implementation is asked one, after the first stage."""

    def part(self, name: str) -> str:
        """The part of the suite that is asked of the implementation, such as 3/16; empty for the whole.

        Implementations of one framework have the same, since they share inputs and expected answers; each seed has another one.
        """
        if self.parts == 1:
            return self.shard
        framework = name.partition("-")[0]
        return f"{1 + (crc32(framework.encode()) + self.seed) % self.parts}/{self.parts}"

    @property
    def limits(self) -> Limits:
        """The limits of a worker."""
        return Limits(self.seconds, self.memory)

    @property
    def attributes(self) -> dict[str, object]:
        """Those of `declared` as attributes: the conventions are one of them."""
        conventions = self.conventions
        attributes = {name: value for name, value in self.declared.items() if name in ATTRIBUTES}
        return {**attributes, "conventions": conventions} if conventions else attributes

    @property
    def conventions(self) -> dict[str, object]:
        """Those of `declared` that are conventions."""
        return {name: value for name, value in self.declared.items() if name not in ATTRIBUTES}

    @property
    def drawing(self) -> str:
        """The options that draw the same cases again."""
        return f"--examples {self.examples} --seed {self.seed}"

    def of_each(self, implementations: int) -> Settings:
        """The settings of the check of each of so many, of which as many as jobs are checked at once."""
        return replace(self, go_on=self.go_on * min(self.jobs, implementations) / max(implementations, 1))
