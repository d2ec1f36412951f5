"""What an implementation declares, what a check answers, and what a run leaves: pages from the tables that the code uses."""

from __future__ import annotations

import re
from dataclasses import fields

from attention_harness.conformance.diagnosis.diagnosis import load_readings
from attention_harness.timing.workloads import Workload, by_file, published
from attention_reports import outcomes, schema
from attention_specs.contract import CHOICES, EMPTY_ROWS, Conventions
from attention_specs.formats import DTYPES, accumulator
from attention_specs.precision import MODELS, named_precision
from generator.markdown import page, table
from generator.properties import SPECIFICATION


def pages() -> dict[str, str]:
    """Outcomes, conventions, precision models, tables of a run, workloads, readings."""
    return {
        "outcomes.md": _outcomes(),
        "conventions.md": _conventions(),
        "precision-models.md": _models(),
        "tables.md": _tables(),
        "workloads.md": _workloads(),
        "readings.md": _readings(),
    }


def _outcomes() -> str:
    rows = [(one.sign, f"`{one.name}`", one.meaning, "yes" if one.failing else "", one.advice) for one in outcomes.ALL]
    return page(
        "Outcomes",
        "The outcome of a property in a dtype is the worst of its cases. The table begins with the worst.",
        table(("sign", "outcome", "means", "fails", "what to do next"), rows),
        "A report shows an outcome that it does not know as `□`. It counts as failing, and a note says so.",
    )


def _conventions() -> str:
    defaults = {field.name: field.default for field in fields(Conventions)}
    rows = [
        (f"`{name}`", ", ".join(f"`{value}`" for value in values), f"`{defaults[name]}`", _clause(name))
        for name, values in CHOICES.items()
    ]
    forms = [(f"`{form}`", ", ".join(f"`{key}`" for key in keys)) for form, keys in EMPTY_ROWS.items()]
    return page(
        "Conventions",
        "The choices in which frameworks differ, and that an implementation may declare. [Declare](/docs/guide/declare.md) says how.",
        table(("convention", "values", "default", "means"), rows),
        "## Forms of empty rows",
        "`empty_rows` may be a mapping. Its keys are these forms and the names of dtypes, nested either way.",
        table(("what hides the keys", "keys of the mapping that count, the first one present"), forms),
    )


def _clause(name: str) -> str:
    """The clause of the specification about a convention, up to the end of its first sentence."""
    text = SPECIFICATION.read_text(encoding="utf-8")
    paragraph = next(part for part in re.split(r"\n\n", text) if re.match(r"\*\*C\d+\.\*\*", part) and f"`{name}`" in part)
    id, sentence = re.match(r"\*\*(C\d+)\.\*\* (.*?\.)(?:\s|$)", paragraph + "\n", re.DOTALL).groups()  # type: ignore[union-attr]
    return f"{id}: {sentence}"


def _models() -> str:
    rows = [(f"`{name}`", *(_steps(name, dtype) for dtype in ("float32", "bfloat16"))) for name in MODELS]
    return page(
        "Precision models",
        "A model says in which format each step of an attention rounds. A declaration joins several by `+`. "
        "All other steps are in the format of the accumulator: "
        + ", ".join(f"{accumulator(dtype)} for {dtype}" for dtype in DTYPES)
        + ". [precision.md](/specs/precision.md) derives the bound from them.",
        table(("model", "steps in another format, float32", "bfloat16"), rows),
    )


def _steps(name: str, dtype: str) -> str:
    model, exact = named_precision(name, dtype), named_precision("exact", dtype)
    steps = {field.name: getattr(model, field.name) for field in fields(model)}
    return ", ".join(f"{step} {value}" for step, value in steps.items() if value != getattr(exact, step)) or "none"


def _tables() -> str:
    parts = [
        f"## {name}\n\n{table(('column', 'type'), ((f'`{c}`', t) for c, t in columns.items()))}"
        for name, columns in schema.FRAMES.items()
    ]
    return page(
        "Tables of a run",
        "Each table of a run lies in its folder as `.parquet`, and as `.csv` for the eye. [Files of a run](/docs/guide/files.md) "
        "says what each is for. A missing column counts as empty, so reports of older runs can be written.",
        *parts,
    )


def _workloads() -> str:
    sweeps = [(name, members) for name, members in by_file().items() if members[0].sweep]
    return page(
        "Workloads",
        "Attention calls of published models, which `bench` times. `--quick` takes those marked so. "
        "[Contributing](/CONTRIBUTING.md) says how to add one.",
        table(
            ("workload", "what", "sizes", "quick", "source"),
            ((f"`{one.name}`", one.description, _sizes(one), "yes" if one.quick else "", one.source) for one in published()),
        ),
        "## Sweeps",
        "A sweep stands for all its members, and is timed only when it is named.",
        table(
            ("sweep", "what", "varies", "members", "source"),
            ((f"`{name}`", m[0].description, m[0].varied, len(m), m[0].source) for name, m in sweeps),
        ),
    )


def _sizes(one: Workload) -> str:
    p = one.problem
    return (
        f"B={p.batch} Hq={p.query_heads} Hkv={p.key_heads} Lq={p.query_length} Lk={p.key_length} D={p.head_dim} Dv={p.value_dim}"
    )


def _readings() -> str:
    rows = [(one.sentence, one.spec, f"`{one.declaration}`" if one.declaration else "") for one in load_readings().values()]
    return page(
        "Readings of a failure",
        "The wrong meanings of a call that a check tries after a failure, the simplest first. "
        "[What a failure looks like](/docs/diagnosis.md) says when one is named.",
        table(("reading", "of", "declaration, where it is a convention"), rows),
    )
