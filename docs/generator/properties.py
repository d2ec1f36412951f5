"""A page for each property: its mathematics, the planted faults that it rejects, and public bugs of that kind."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any, TypedDict

from attention_harness.audit.faults import Fault, load_all
from attention_harness.audit.faults._families import FAMILIES
from attention_harness.conformance.check import load_properties
from attention_harness.runs.mutation_score import TABLE
from attention_reports.audit.page import link
from attention_specs.case import Case
from attention_specs.properties.statements import statements
from attention_specs.property import PROPERTIES, Property
from generator import failing
from generator.markdown import docstring, first_line, in_words, page, table

SPECIFICATION = Path(__file__).parents[2] / "specs" / "attention.md"
FAILURES = Path(__file__).parents[1] / "failures.json"
"""Id of a property -> the smallest failure of the fault on its page, as `failures.py` wrote it."""
ELSEWHERE = {"P18": "tests/third_party/own_forms/of_torch.py:operator_without_a_fake"}
"""Id of a property that no NumPy function can break, as the faults of the audit are -> the wrong function on its page."""
BUGS_SHOWN = 8
"""Public bugs on a page; further ones are counted."""


class Failure(TypedDict):
    """A planted fault, the outcome, its sentence, and the smallest case that shows it, as data; None for a whole run."""

    fault: str
    outcome: str
    sentence: str
    case: dict[str, Any] | None


def pages() -> dict[str, str]:
    """The index of all properties, and a page for each."""
    load_properties()
    written = {f"properties/{one.id}.md": _page(one) for one in PROPERTIES.values()}
    return {"properties/index.md": _index()} | written | {f"properties/{id}.svg": svg for id, svg in failure_pictures().items()}


def ordered() -> list[Property]:
    """The properties in the order of the specification."""
    places = list(statements())
    return sorted(PROPERTIES.values(), key=lambda one: places.index(one.id))


def relinked(text: str) -> str:
    """The paragraph with links from where the pages lie."""
    return re.sub(r"\]\((?!https?:)", "](/specs/", text)


@cache
def audit() -> dict[str, Any]:
    """The last full audit: "audited", "seed", "examples" and "killers"."""
    table: dict[str, Any] = json.loads(TABLE.read_text(encoding="utf-8"))
    return table


@cache
def rejections() -> dict[str, frozenset[str]]:
    """Fault -> the ids of the properties that reject it, by the last full audit."""
    return {name: frozenset(ids.split()) for spec in audit()["killers"].values() for name, ids in spec.items()}


def rejected_by(one: Property) -> list[Fault]:
    """The faults that it rejects; first those that fewest other properties reject."""
    catalogue = load_all()
    mine = [name for name, ids in rejections().items() if one.id in ids and name in catalogue]
    return [catalogue[name] for name in sorted(mine, key=lambda name: (len(rejections()[name]), not catalogue[name].link, name))]


def candidates(one: Property) -> list[Fault]:
    """The faults that its page may show: those that it rejects; new ones of its spec, where the last full audit has none."""
    new = [fault for name, fault in load_all().items() if name not in rejections() and fault.spec == one.spec]
    new = [fault for fault in new if not one.form or fault.form in one.form]
    return rejected_by(one) or new


def fault_of_page(one: Property) -> Fault | None:
    """The fault on its page: the first with a recorded failure, else the first; None where there is none."""
    recorded = failures().get(one.id)
    known = {fault.name: fault for fault in candidates(one)}
    if recorded and recorded["sentence"] and recorded["fault"] in known:
        return known[recorded["fault"]]
    return next(iter(rejected_by(one)), None)


def _index() -> str:
    rows = [
        (
            f"[{one.id}]({one.id}.md)",
            in_words(one.name),
            one.spec,
            ", ".join(f"`{name}`" for name in one.options),
            len(rejected_by(one)),
        )
        for one in ordered()
    ]
    return page(
        "Properties",
        "A check asks each of them on every case that it applies to. The first column links the page of the property. *Faults* counts "
        f"the planted faults that it rejects, of {len(rejections())}, by the full audit of {audit()['audited']} "
        f"(`attention-harness audit --seed {audit()['seed']} --examples {audit()['examples']}`).",
        table(("id", "property", "of", "needs the options", "faults"), rows),
        "```{toctree}\n:hidden:\n\n" + "\n".join(one.id for one in ordered()) + "\n```",
    )


def _page(one: Property) -> str:
    faults, fault = rejected_by(one), fault_of_page(one)
    return page(
        f"{one.id} {in_words(one.name)}",
        f"`{one.name}`",
        one.sentence,
        "## Statement",
        relinked(statements()[one.id]),
        f"This is clause {one.id} of the [specification](/specs/attention.md). "
        f"`attention-harness check TARGET --property {one.name}` judges it alone.",
        "## When it is judged",
        table(("condition", "value"), _conditions(one)),
        "## A fault that it rejects",
        _fault(one, fault) if fault else _elsewhere(one),
        "## Public bugs",
        _bugs(one, faults or list(filter(None, [fault]))),
    )


def _classes(one: Property) -> list[str]:
    """The classes of bugs that the docstring names."""
    return sorted(set(re.findall(r"C\d\d", docstring(one.check))) & set(FAMILIES))


OF = {"multi-head": "the multi-head layer", "merge": "a merge of two parts"}


ABOUT = {
    "domain": "that declare a domain",
    "operator": "that are operators of `torch.library`",
    "storage": "that declare arrays stored in eight bits",
}
"""Field of a description -> the implementations that have it, in words."""


def _conditions(one: Property) -> list[tuple[str, str]]:
    every = "every other case that it applies to" if one.takes_turns(edge_case=False) else "every case that it applies to"
    rows = [("of", OF.get(one.spec, one.spec)), ("on", every)]
    if one.options:
        rows.append(("options in the signature", ", ".join(f"`{name}`" for name in one.options)))
    if one.gradient:
        rows.append(("asks for", "gradients, of an implementation that declares them"))
    if one.about:
        rows.append(("of implementations", ABOUT[one.about]))
    if one.over_run:
        rows.append(("verdict", "one for all cases of a run and dtype together"))
    return [*rows, ("looks for", "; ".join(f"{FAMILIES[name]} ({name})" for name in _classes(one)))]


def _fault(one: Property, fault: Fault) -> str:
    return (
        f"**`{fault.name}`** ({FAMILIES[fault.family]}, {fault.family}). {docstring(fault.function)}\n\n"
        f"{_failure(one, fault.name)}{_audited(one, fault)} `attention-harness audit {fault.name}` tries it."
    )


def _audited(one: Property, fault: Fault) -> str:
    """The result of the last full audit about the fault and the property."""
    if fault.name not in rejections():
        return f"The fault is newer than the full audit of {audit()['audited']}."
    others = sorted(rejections()[fault.name] - {one.id}, key=list(statements()).index)
    also = f"{_links(others)} {'rejects' if len(others) < 2 else 'reject'} it{' too' if others else ''}."
    number = f"{one.id} rejects {len(rejected_by(one))} of the {len(rejections())} planted faults"
    first = ", and no other of these is rejected by fewer properties" if fault is rejected_by(one)[0] else ""
    return f"{also} {number}{first}."


def _elsewhere(one: Property) -> str:
    """The wrong function of a test; the words that there is none."""
    if one.id not in ELSEWHERE:
        return "The last full audit had no fault for it."
    path, _, name = ELSEWHERE[one.id].partition(":")
    return (
        f"**`{name}`** of `{path}`. The faults of the audit are NumPy functions, and none of them can break this property.\n\n"
        f"{_failure(one, ELSEWHERE[one.id])}`attention-harness check {ELSEWHERE[one.id]}` finds it."
    )


def _failure(one: Property, fault: str) -> str:
    """The smallest failure of the fault, with its picture; "" where `failures.json` has another fault, or none."""
    failure = failures().get(one.id)
    if not failure or failure["fault"] != fault or not failure["sentence"]:
        return ""
    problem = f"\n[{Case.from_json(failure['case'])}]" if failure["case"] else ""
    text = f"The smallest failure that a check finds:\n\n```text\n{failure['outcome']}: {failure['sentence']}{problem}\n```\n\n"
    return text + (f"![{failing.CAPTION}]({one.id}.svg)\n\n{failing.CAPTION}\n\n" if one.id in failure_pictures() else "")


@cache
def failures() -> dict[str, Failure]:
    """The content of `failures.json`."""
    known: dict[str, Failure] = json.loads(FAILURES.read_text(encoding="utf-8"))
    return known


@cache
def failure_pictures() -> dict[str, str]:
    """Id of a property -> the picture of its failure, where it has one."""
    cases = {id: Case.from_json(failure["case"]) for id, failure in failures().items() if failure["case"]}
    drawn = {id: failing.picture(case, failures()[id]["sentence"]) for id, case in cases.items()}
    return {id: svg for id, svg in drawn.items() if svg}


def _links(ids: list[str]) -> str:
    listed = [f"[{id}]({id}.md)" for id in ids[:12]] or ["No other property"]
    return ", ".join(listed) + (f" and {len(ids) - 12} more" if len(ids) > 12 else "")


def _bugs(one: Property, faults: list[Fault]) -> str:
    linked = [fault for fault in faults if fault.link]
    if linked:
        lead = f"Of the faults that {one.id} rejects, {len(linked)} restate{'s' if len(linked) == 1 else ''} a bug that was reported:"
    else:
        families = {fault.family for fault in faults} | set(_classes(one))
        linked = [fault for fault in load_all().values() if fault.link and fault.family in families]
        lead = f"{'The faults that it rejects restate no reported bug. ' if faults else ''}Reported bugs of the same classes:"
    first = {fault.link: fault for fault in reversed(linked)}
    listed = [fault for fault in linked if first[fault.link] is fault][:BUGS_SHOWN]
    rows = [(f"[{fault.link}]({link(fault.link)})", f"`{fault.name}`", first_line(fault.function)) for fault in listed]
    more = len(first) - len(listed)
    return f"{lead}\n\n{table(('bug', 'planted as', 'mistake'), rows)}" + (f"\n\nAnd {more} more." if more else "")
