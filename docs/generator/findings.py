"""Faults and refusals found in libraries: a page each, from findings.toml."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from attention_reports.audit.page import link
from generator.markdown import page, table

SOURCE = Path(__file__).parents[1] / "findings.toml"
SEEN = {
    "cpu": "A test in `tests/implementations` fails on the day it is corrected upstream.",
    "gpu": "Seen on one H200 with torch 2.11.0 and CUDA 13.0, jax 0.11.2. No test can watch it without a GPU.",
}

VERSIONS = {"cpu": "torch 2.13.0 and jax 0.10.2", "gpu": "torch 2.11.0 and jax 0.11.2"}
"""Where a finding names no version of its own."""


def pages() -> dict[str, str]:
    """The index and a page for each finding."""
    findings = tomllib.loads(SOURCE.read_text(encoding="utf-8"))["finding"]
    index = page(
        "Findings",
        "Faults and refusals in the libraries that are judged here, with the smallest case of each. The built-in implementations work "
        "around them or declare them.",
        "## On the CPU",
        _rows(findings, "cpu"),
        "## On a GPU",
        "By default, 16 bits with a mask go to cuDNN there, and float32 to the memory-efficient kernel. So every caller of "
        "`scaled_dot_product_attention` meets these. The `torch-cuda-*` implementations work around those of the forward pass, and do not "
        "ask for gradients of the kernels. In the last run there (seed 1) eager, memory-efficient and math agreed. So did cuDNN but for "
        "the 31 value columns, and flash but for the rows off 16 bytes. Both are worked around since, and have not been run again.",
        _rows(findings, "gpu"),
        "```{toctree}\n:hidden:\n\n" + "\n".join(one["name"] for one in findings) + "\n```",
    )
    return {"findings/index.md": index} | {f"findings/{one['name']}.md": _page(one) for one in findings}


def _rows(findings: list[dict[str, Any]], on: str) -> str:
    rows = ((f"[{one['title']}]({one['name']}.md)", one["library"]) for one in findings if one["on"] == on)
    return table(("finding", "library"), rows)


def _page(one: dict[str, Any]) -> str:
    rows = [("library", one["library"]), ("smallest case", one["case"])]
    if "property" in one:
        rows.append(("property", f"[{one['property']}](../properties/{one['property']}.md)"))
    rows += [(name, one[name]) for name in ("got", "expected") if name in one]
    rows += [("upstream", f"[{name}]({link(name)})") for name in one.get("links", ())]
    rows.append(("seen in", one.get("version", VERSIONS[one["on"]])))
    return page(one["title"], one["what"], table(("fact", "value"), rows), *_program(one), SEEN[one["on"]])


def _program(one: dict[str, Any]) -> list[str]:
    """The program in a block of code, where there is one."""
    return [f"```python\n{one['program'].strip()}\n```"] if "program" in one else []
