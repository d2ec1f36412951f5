"""The conditions that must be equal for the timings of two runs to be compared.

A ratio to a baseline of the same minutes bears another load and another version of this package, which times all alike. It does
not bear another processor or library: candidate and baseline need not become faster by the same factor.
"""

from collections.abc import Mapping
from typing import Any

from attention_reports.load import Run

MACHINE = ("cpu", "gpu", "cores", "python")
PACKAGES = ("numpy", "ml_dtypes", "torch", "jax", "jaxlib")
WITHOUT_EFFECT = {"PYTHONHASHSEED", "KMP_DUPLICATE_LIB_OK"}
"""Variables that a run records and that change no time. All others are about threads, BLAS or a framework."""


def conditions(run: Run) -> dict[str, str]:
    """Fact -> value; what the run did not record, or did not have, is missing."""
    environment = run.section("environment")
    packages, variables = _mapping(environment.get("packages")), _mapping(environment.get("variables"))
    values = {name: environment.get(name) for name in MACHINE} | {name: packages.get(name) for name in PACKAGES}
    values |= {name: value for name, value in variables.items() if name not in WITHOUT_EFFECT}
    return {name: str(value) for name, value in values.items() if value is not None}


def differing(before: Run, after: Run) -> list[str]:
    """The facts that differ, each as "name (value of A; value of B)"; empty where timings can be compared."""
    a, b = conditions(before), conditions(after)
    if not a and not b:
        return ["the environment, which neither recorded"]
    return [f"{name} ({a.get(name, 'none')}; {b.get(name, 'none')})" for name in {**a, **b} if a.get(name) != b.get(name)]


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
