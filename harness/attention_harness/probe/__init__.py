"""Finds out by experiment, from outputs alone, what an implementation does; and says which declaration that is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from attention_harness.process.limits import Limits
from attention_harness.process.worker import Worker

from attention_harness.probe import call_convention, positions, options, empty_rows, reproducibility, invalid_inputs, precision  # isort: skip  # noqa: F401  # experiments run in this order
from attention_harness.conformance.under_test import UnderTest
from attention_harness.probe.display import show
from attention_harness.probe.experiments import EXPERIMENTS, Observation
from attention_harness.probe.report import Probed
from attention_harness.probe.session import Lab
from attention_harness.registry.targets import Target
from attention_specs.contract import Conventions

__all__ = ["EXPERIMENTS", "Observation", "Probed", "probe", "show"]


def probe(target: Target, seed: int, limits: Limits, tell: Callable[[str], None] = lambda name: None) -> Probed:
    """All experiments that suit the implementation. Raises CallFailed where it cannot be loaded, and only there."""
    with Worker(target, limits) as worker:
        description = worker.description()
        lab = Lab(UnderTest(worker, replace(description, conventions=Conventions())), seed)
        found: list[Observation] = []
        for experiment in EXPERIMENTS:
            if experiment.suits(lab):
                tell(experiment.name.replace("_", " "))
                found += experiment(lab)
            if not lab.dtypes:  # no plain call is answered: the rest would say so over and over
                break
        return Probed(target, description, found)
