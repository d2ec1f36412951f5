"""Reports know no framework, and importing them is light."""

import subprocess
import sys

import pytest

FOREIGN = ("specs", "implementations", "harness", "torch", "jax")


@pytest.mark.parametrize(("module", "banned"), [("reports", (*FOREIGN, "matplotlib", "jinja2")), ("reports.page", FOREIGN)])
def test_importing_loads_none_of(module: str, banned: tuple[str, ...]) -> None:
    code = f"import sys, {module}; print(sorted(set({banned!r}) & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
