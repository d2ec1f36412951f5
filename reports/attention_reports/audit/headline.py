"""The first screen of an audit in words: rejected faults, accused controls, and other checks beside the properties."""

import math
from collections.abc import Sequence

import pandas as pd

from attention_reports.headline import Verdict
from attention_reports.load import Run
from attention_reports.tables import tabulate
from attention_reports.text import count, duration, in_words, listed, percent, portion

MOST_NAMES = 4
OTHER_CHECKS = "attention-harness audit --other-checks"


def verdict(run: Run) -> Verdict:
    """Whether every planted fault was rejected and no control was, in one sentence."""
    if run.faults.empty and run.controls.empty:
        return Verdict("Nothing was audited: no fault was recorded.", "open")
    more = further(run)
    parts = [part for part in (_faults(run), _controls(run)) if part]
    wrong = bool(survivors(run) or accused(run) or more)
    text = (", and " if not wrong else "; ").join(parts) + ("" if run.complete else " as far as the audit got")
    text += f"; {count(len(more), 'further reason')} to fail" if more else ""
    return Verdict(f"{text}.", "bad" if wrong else "good" if run.complete and len(run.faults) else "open")


def survivors(run: Run) -> list[str]:
    """The faults that nothing rejected."""
    return list(run.faults.loc[run.faults["killed_by"] == "", "fault"])


def accused(run: Run) -> list[str]:
    """The controls that something rejected."""
    return list(dict.fromkeys(tabulate(run, "accusations")["name"]))


def failures(run: Run) -> list[str]:
    """The reasons for which the audit fails, as the run recorded them."""
    reasons = run.section("audit").get("failures")
    return [str(sentence) for sentence in reasons] if isinstance(reasons, list) else []


def further(run: Run) -> list[str]:
    """The reasons beside survivors, which share one sentence, and accusations, which have one each; these stand first."""
    return failures(run)[bool(survivors(run)) + len(tabulate(run, "accusations")) :]


def _faults(run: Run) -> str:
    alive, total = survivors(run), len(run.faults)
    if not total:
        return "No fault was planted"
    if alive:
        return f"{len(alive):,} of {count(total, 'planted fault')} survived: {listed(map(in_words, alive), MOST_NAMES)}"
    every = {1: "The planted fault was", 2: "Both planted faults were"}.get(total, f"All {total:,} planted faults were")
    return f"{every} rejected"


def _controls(run: Run) -> str:
    names, total = accused(run), run.controls["name"].nunique()
    if not total:
        return ""
    if names:
        verb = "is" if len(names) == 1 else "are"
        return f"{len(names)} of {count(total, 'control')} {verb} accused: {listed(names, MOST_NAMES)}"
    return f"none of {count(total, 'control')} was accused"


def caught(run: Run) -> list[str]:
    """The bugs that a green run would have caught, and how soon, as sentences."""
    faults = run.faults
    if faults.empty:
        return ["No fault was planted: a green run has not been shown to mean anything."]
    reports = faults.loc[faults["link"] != "", "link"]
    known = f"; {count(len(reports), 'is', 'are')} modelled on a bug that somebody reported" if len(reports) else ""
    classes = count(faults["family"].nunique(), "class", "classes")
    return [f"{count(len(faults), 'bug')} in {classes}{known}.", *_soon(run), *_idle(run)]


def _soon(run: Run) -> list[str]:
    rows = tabulate(run, "first rejection").to_dict("records")
    amounts = [f"{count(int(row['cases']), 'case')} and {duration(float(row['seconds']))}" for row in rows]
    parts = [f"{who} within {most}" for who, most in zip(("Half of them were rejected", "nine in ten"), amounts, strict=False)]
    return [f"{', '.join(parts)}."] if parts else []


def _idle(run: Run) -> list[str]:
    every, idle = tabulate(run, "what each property rejects"), tabulate(run, "idle properties")
    if every.empty:
        return []
    return [f"{len(every) - len(idle)} of {count(len(every), 'property', 'properties')} were the first to reject some fault."]


def accusing(run: Run) -> list[str]:
    """Whether a control is accused, as sentences."""
    rows = tabulate(run, "controls")
    if rows.empty:
        return ["No control was tried in this run."]
    tried = f"{count(len(rows), 'control')} on {int(rows['cases'].sum()):,} cases together"
    names = accused(run)
    if not names:
        return [f"No. {tried}: no property rejects a right attention.", *_untried(run)]
    accusers = tabulate(run, "accusations").groupby("name", sort=False)["accused_by"].agg(list)
    return [
        f"Yes. {tried}.",
        *(f"{name} is accused by {listed(map(in_words, accusers[name]))}." for name in names[:MOST_NAMES]),
        *_untried(run),
    ]


def _untried(run: Run) -> list[str]:
    """Which of them are missing here, and why."""
    reason = str(run.section("audit").get("untried") or "")
    return [f"{reason[0].upper()}{reason[1:]}."] if reason else []


def vacuous(run: Run) -> str:
    """The properties that too often could tell nothing, in a sentence."""
    rows = tabulate(run, "vacuity")
    much = rows[rows["too_much"]]
    if rows.empty or much.empty:
        return ""
    names = listed((f"{in_words(row['property'])} ({percent(row['share'])})" for row in much.to_dict("records")), MOST_NAMES)
    return f"{count(len(much), 'property', 'properties')} could tell nothing in more than a fifth of the cases: {names}."


def compared(run: Run) -> list[str]:
    """The results of other checks on the same faults, as sentences."""
    rows = tabulate(run, "other_checks")
    ran = rows[rows["faults"] > 0]
    if run.section("arguments").get("file"):
        return ["They are tried on the faults of the catalogue alone."]
    if len(ran) < 2:
        return [f"Not measured in this run: {OTHER_CHECKS} puts the same faults under the checks that people use today."]
    ours, *others = ran.to_dict("records")
    shares = listed((f"{row['check']} {portion(row['share'])}" for row in others), 6)
    return [f"The properties here find {portion(ours['share'])} of the faults; {shares}.", *_false_alarms(ran)]


def _false_alarms(ran: pd.DataFrame) -> list[str]:
    wrong = ran[ran["false_alarms"] > 0]
    names = listed(f"{row.check} ({row.false_alarms} of {row.controls})" for row in wrong.itertuples())
    return [f"Controls are accused by {names}."] if names else ["None of them accuses a control."]


def idle(run: Run) -> list[str]:
    """The properties that an audit would not miss, one sentence for each kind."""
    rows = tabulate(run, "idle properties")
    silent, never = (list(rows.loc[chosen, "property"]) for chosen in (rows["rejected"] == 0, rows["rejected"] > 0))
    kinds = [("rejected nothing at all", silent), ("never came first, never alone", never)]
    if run.quick:
        kinds = [("never came first", silent + never)]
    return [f"{count(len(names), 'property', 'properties')} {words}: {listed(names, 12)}." for words, names in kinds if names]


def median(cases: float) -> str:
    """A median number of cases, which may lie between two; nothing where nothing was rejected."""
    return f"{cases:g}" if math.isfinite(cases) else ""


def firsts(names: Sequence[str]) -> str:
    """The properties that most often came first in a class."""
    return listed(map(in_words, names), 2)


def method(run: Run) -> list[str]:
    """The method of the audit, for the block that is copied with the environment."""
    line, took = run.metadata.get("command_line"), run.metadata.get("seconds")
    return [
        *([f"command: {line}"] if line else []),
        "Each fault is a wrong attention; each is asked what an implementation is asked in a run, case by case, by every property.",
        "It is rejected by the first property that it fails; cases and seconds are what it was asked until then.",
        "Controls are right attentions, each computed in another way: a property that fails one is wrong itself.",
        *([f"The audit took {duration(float(took))}."] if isinstance(took, int | float) else []),
    ]
