"""The planted faults that `assert_attention_close` rejects, by class."""

from __future__ import annotations

from attention_harness.audit.faults import load_all
from attention_harness.audit.faults._families import FAMILIES
from attention_harness.runs.mutation_score import numerical
from generator.markdown import page, table
from generator.properties import audit


def pages() -> dict[str, str]:
    """A row for each class: its faults, those with an output beyond the bound, and one of them."""
    catalogue = {name: fault for name, fault in load_all().items() if name in audit()["killers"]["attention"]}
    beyond = [catalogue[name] for name in numerical() if name in catalogue]
    rows = []
    for family, meaning in FAMILIES.items():
        rejected = [fault.name for fault in beyond if fault.family == family]
        every = sum(fault.family == family for fault in catalogue.values())
        if every:
            rows.append((family, meaning, every, len(rejected), len(rejected), f"`{rejected[0]}`" if rejected else ""))
    rows.append(("", "all", len(catalogue), len(beyond), len(beyond), ""))
    return {
        "assertion.md": page(
            "Faults that assert_attention_close rejects",
            f"Of the {len(catalogue)} planted faults of attention, {len(beyond)} have an output beyond its bound, and have it again when "
            "the call is repeated. The assertion rejects all of these, each on one random input of a shape where the bound is broken. "
            "It accuses no control. `python -m pytest tests/harness/conformance/closeness/test_faults.py` asks it about each of them.",
            "The other faults have a right output: they are wrong in gradients, returned weights or log-sum-exp, in memory, or between "
            "two calls. `attention-harness check` has properties for these.",
            table(("class", "mistake", "faults", "output beyond the bound", "rejected by the assertion", "one of them"), rows),
        )
    }
