"""Finds out by experiment, from outputs alone, what an implementation does; and says which declaration that is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from harness.isolation import Limits, Worker

from harness.probing import frame, positions, options, rows, bits, misuse, precision  # isort: skip  # noqa: F401  # experiments run in this order
from harness.probing.declaring import Probed
from harness.probing.experiments import EXPERIMENTS, Found
from harness.probing.lab import Lab
from harness.probing.printing import show
from harness.subject import Subject
from harness.targets import Target
from specs.contract import Conventions

__all__ = ["EXPERIMENTS", "Found", "Probed", "probe", "show"]


def probe(target: Target, seed: int, limits: Limits, tell: Callable[[str], None] = lambda name: None) -> Probed:
    """All experiments that suit the implementation. Raises Trouble where it cannot be loaded, and only there."""
    with Worker(target, limits) as worker:
        description = worker.description()
        lab = Lab(Subject(worker, replace(description, conventions=Conventions())), seed)
        found: list[Found] = []
        for experiment in EXPERIMENTS:
            if experiment.suits(lab):
                tell(experiment.name.replace("_", " "))
                found += experiment(lab)
            if not lab.dtypes:  # no plain call is answered: the rest would say so over and over
                break
        return Probed(target, description, found)
