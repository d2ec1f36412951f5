"""Conventions and precision of an implementation, by experiment, from its outputs alone; and the declaration that says them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from attention_harness.process.limits import Limits
from attention_harness.process.worker import Worker

from attention_harness.probe import call_convention, positions, options, empty_rows, reproducibility, invalid_inputs, precision  # isort: skip  # noqa: F401  # experiments run in this order
from attention_harness.conformance.under_test import UnderTest
from attention_harness.errors import UsageError
from attention_harness.probe.display import show
from attention_harness.probe.experiments import EXPERIMENTS, Observation
from attention_harness.probe.report import ProbeReport
from attention_harness.probe.session import ProbeSession
from attention_harness.registry.targets import Target
from attention_specs.contract import Conventions

__all__ = ["EXPERIMENTS", "Observation", "ProbeReport", "probe", "show"]


def probe(target: Target, seed: int, limits: Limits, progress: Callable[[str], None] = lambda name: None) -> ProbeReport:
    """All experiments that suit the implementation. Raises CallFailed if it cannot be loaded, UsageError if none suits it."""
    with Worker(target, limits) as worker:
        description = worker.description()
        if description.spec == "merge":
            choices = "lse_base, empty_rows and masked_nan_safe"
            raise UsageError(f"target={target.name}, but should be an attention or a layer: a merge declares {choices}, check it")
        session = ProbeSession(UnderTest(worker, replace(description, conventions=Conventions())), seed)
        observations: list[Observation] = []
        for experiment in EXPERIMENTS.values():
            if experiment.suits(session):
                progress(experiment.name.replace("_", " "))
                observations += experiment(session)
            if not session.dtypes:  # no plain call is answered, and none would be in the rest
                break
        return ProbeReport(target, description, observations)
