"""Checks of attention in use today, restated in our own code, so that they can be compared with the properties here.

Another check is a function with one decorator that yields what the source asks and how it judges each answer. Tolerances in this
folder are those of the sources: nothing else here judges by one. Every module is loaded by `load_all`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from time import perf_counter

import numpy as np

from attention_harness.audit.other_checks._trials import Attention, Trial
from attention_harness.frameworks import installed
from attention_harness.registry.loading import describe
from attention_specs.registry import Registry

Check = Callable[[int], Iterator[Trial]]


@dataclass(frozen=True)
class OtherCheck:
    """A check that is in use: `source` says whose, and `needs` names the package without which it cannot be run."""

    name: str
    source: str
    check: Check
    needs: str = ""

    @property
    def missing(self) -> str:
        """Why it cannot be run here, or nothing."""
        return installed(self.needs) if self.needs else ""

    def objection(self, attention: Attention, seed: int = 0) -> str:
        """The first thing that it holds against the function, an exception included; nothing if it accepts it.

        ValueError for a function of another spec.
        """
        options = options_of(attention)
        asked = (trial for trial in trials(self.name, seed) if set(trial.needs) <= set(options))
        held = (f"{text} [{trial.text}]" for trial in asked if (text := _held_against(attention, options, trial)))
        return next(held, "")


def options_of(attention: Attention) -> tuple[str, ...]:
    """The options of the contract that the function has. ValueError for one of another spec."""
    described = describe(attention, "attention")
    if described.spec != "attention":
        raise ValueError(f"spec={described.spec}, but should be attention: other checks know no other")
    return described.options


def _held_against(attention: Attention, options: tuple[str, ...], trial: Trial) -> str:
    try:
        with np.errstate(all="ignore"):
            return trial.judge(trial.answer(attention, options))
    except Exception as error:
        return f"{type(error).__name__}: {error}"


@dataclass(frozen=True)
class OtherCheckRow:
    """The results of another check. `seconds` are those of all functions and of its own references together."""

    check: str
    source: str
    faults_found: int
    faults: int
    false_alarms: int
    controls: int
    seconds: float
    rejected: tuple[str, ...]
    accused: tuple[str, ...]
    """The controls that it rejects."""
    missing: str = ""
    """Why it was not run; then nothing is counted."""


OTHER_CHECKS: Registry[OtherCheck] = Registry("check")


def check(name: str, source: str, needs: str = "") -> Callable[[Check], Check]:
    """Registers the function as another check. ValueError if the name is taken."""

    def register(check: Check) -> Check:
        OTHER_CHECKS.register(OtherCheck(name, source, check, needs), name)
        return check

    return register


@cache
def trials(name: str, seed: int) -> tuple[Trial, ...]:
    """All that the check asks, drawn and answered once for all functions."""
    return tuple(OTHER_CHECKS[name].check(seed))


def load_all() -> Registry[OtherCheck]:
    """All other checks by name, after the import of the modules of this folder, which register them."""
    return OTHER_CHECKS.load(__name__)


def compare(
    functions: Mapping[str, Attention],
    controls: Mapping[str, Attention],
    seed: int = 0,
    tick: Callable[[str], None] = lambda name: None,
) -> list[OtherCheckRow]:
    """The faults and the controls that each check rejects; `tick` gets each name before its turn.

    They are called in this process, with NumPy arrays, by the options of the contract that they have. The references of all
    other checks take 400 MiB. A loop over single queries and keys takes minutes: flash-attention's grid has 2048 x 2048 scores.
    ValueError for a function of another spec.
    """
    for attention in (*functions.values(), *controls.values()):
        options_of(attention)
    return [_row(one, functions, controls, seed, tick) for one in load_all().values()]


def _row(
    one: OtherCheck, functions: Mapping[str, Attention], controls: Mapping[str, Attention], seed: int, tick: Callable[[str], None]
) -> OtherCheckRow:
    if one.missing:
        return OtherCheckRow(one.name, one.source, 0, 0, 0, 0, 0.0, (), (), one.missing)

    def rejected_of(given: Mapping[str, Attention]) -> Iterator[str]:
        for name, attention in given.items():
            tick(name)
            if one.objection(attention, seed):
                yield name

    start = perf_counter()
    rejected, accused = tuple(rejected_of(functions)), tuple(rejected_of(controls))
    seconds = round(perf_counter() - start, 3)
    return OtherCheckRow(
        check=one.name,
        source=one.source,
        faults_found=len(rejected),
        faults=len(functions),
        false_alarms=len(accused),
        controls=len(controls),
        seconds=seconds,
        rejected=rejected,
        accused=accused,
    )
