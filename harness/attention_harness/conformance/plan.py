"""The plan of a check, and its result for one implementation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from attention_harness.conformance.records import CheckRow, PrecisionRow
from attention_harness.conformance.settings import Settings
from attention_harness.errors import Outcome
from attention_harness.generation.suite import Suite
from attention_specs.contract import Description
from attention_specs.property import Property


@dataclass(frozen=True)
class Plan:
    """The cases of a check and its settings: the same for every implementation."""

    suites: Mapping[str, Suite]
    """Spec -> its cases."""
    folder: Path
    settings: Settings = field(default_factory=Settings)
    absent: Mapping[str, str] = field(default_factory=dict)
    """Property -> why the run has no case for it."""
    recorded: bool = False
    """Whether each step is written down in the folder, for a check that goes on."""

    def asks_for(self, property_: Property) -> bool:
        """Whether the property is wanted; a property of the layer has the name of the attention's too."""
        names = {property_.name, property_.name.removeprefix("layer_")}
        return not self.settings.properties or not names.isdisjoint(self.settings.properties)


@dataclass(frozen=True)
class Listener:
    """Called while a check goes on: after each step, and once with the first failure in a sentence."""

    step: Callable[[], None] = lambda: None
    failed: Callable[[str], None] = lambda sentence: None


@dataclass
class CheckResult:
    """The result for one implementation."""

    name: str
    rows: list[CheckRow]
    description: Description | None = None
    unloadable: str = ""
    worked_example: list[list[float]] = field(default_factory=list)
    precision: list[PrecisionRow] = field(default_factory=list)
    ours: bool = False
    """Whether a fault of ours came between: the rows are incomplete then."""
    asked: int = 0
    answered: int = 0
    """Cases, those included that were refused and asked again elsewhere."""
    covered: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    """Case -> the regions and values that it covers, of the cases as they were asked."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Wall-clock time by part of the check."""
    further: int = 0
    """Cases behind the standard suite, of further seeds."""
    unfinished: str = ""
    """What the time of the check left out, in a sentence."""
    too_little: bool = False
    """Whether so much was refused that the rest says little."""

    @property
    def wrong(self) -> bool:
        """Whether any outcome blames the implementation."""
        return any(row.outcome.wrong for row in self.rows)

    @property
    def right(self) -> bool:
        """Whether it agrees with the specification: nothing blames it, and enough was judged."""
        judged = any(row.outcome == Outcome.AGREES for row in self.rows)
        return judged and not (self.wrong or self.too_little or self.ours)
