"""Reports know no framework, and importing them is light."""

import subprocess
import sys

import pytest

FOREIGN = ("attention_specs", "attention_implementations", "attention_harness", "torch", "jax")


@pytest.mark.parametrize(
    ("module", "banned"), [("attention_reports", (*FOREIGN, "matplotlib", "jinja2")), ("attention_reports.page", FOREIGN)]
)
def test_importing_loads_none_of(module: str, banned: tuple[str, ...]) -> None:
    code = f"import sys, {module}; print(sorted(set({banned!r}) & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
