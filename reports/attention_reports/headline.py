"""The first screen in words: right or wrong, the evidence, speed, and a recommendation."""

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from attention_reports import outcomes
from attention_reports.load import Run
from attention_reports.tables import tabulate
from attention_reports.text import count, duration, listed, number, percent, sentence


@dataclass(frozen=True)
class Verdict:
    """One sentence, and its tone: "good", "bad", or "open" where nothing was judged or the run was interrupted."""

    sentence: str
    tone: str


def verdict(run: Run) -> Verdict:
    """Whether the implementations agree with the specification, in one sentence."""
    standing = tabulate(run, "standing")
    judged = standing[standing["standing"].isin(outcomes.judged(standing["standing"]))]
    failing = judged[judged["standing"].isin(outcomes.failing(judged["standing"]))]
    if judged.empty:
        return Verdict(f"Nothing could be judged: {_why_nothing(run, standing)}.", "open")
    so_far = "" if run.complete else " as far as the run got"
    known = _waived(list(judged.loc[judged["standing"] == "waived", "implementation"]))
    if failing.empty:
        agreeing = list(judged["implementation"])
        where = f" where {listed(_domain(run, agreeing[0]), 9)}" if len(agreeing) == 1 and _domain(run, agreeing[0]) else ""
        return Verdict(f"{_all_agree(agreeing)}{where}{so_far}{known}.", "good" if run.complete else "open")
    if len(judged) == 1:
        return Verdict(_one_fails(str(failing["implementation"].iloc[0]), str(failing["standing"].iloc[0]), so_far), "bad")
    return Verdict(f"{_some_agree(len(judged) - len(failing), len(judged))}{so_far}; {_wrong(failing)}{known}.", "bad")


def _domain(run: Run, name: str) -> list[str]:
    """The conditions under which the implementation was asked, as declared."""
    entries = [entry for entry in run.implementations if entry.get("name") == name]
    return [str(one) for entry in entries if isinstance(entry.get("domain"), list) for one in entry["domain"]]


def part(run: Run) -> list[str]:
    """A sentence about a run of everything, whose implementations are asked a part of the suite each."""
    parts = run.section("arguments").get("parts", 1)
    if parts == 1:
        return []
    return [f"Each implementation was asked the first stage and one of {parts} parts of the suite; by its name it is asked all."]


def asked_only(run: Run) -> list[str]:
    """A sentence for each implementation that was not asked everything, since it declares so."""
    sentences = []
    for entry in run.implementations:
        name, contiguous = str(entry.get("name", "")), entry.get("contiguous") is True
        where = [f"where {listed(_domain(run, name), 9)}"] if _domain(run, name) else []
        asked = [*where, *(["with contiguous arrays"] if contiguous else [])]
        if asked:
            sentences.append(f"{name} was asked only {' and '.join(asked)}, as it declares.")
    return sentences


def _waived(names: list[str]) -> str:
    return f", but for known deviations of {listed(names)}" if names else ""


def _why_nothing(run: Run, standing: pd.DataFrame) -> str:
    absent = tabulate(run, "what did not run")
    if len(absent):
        reasons = listed(dict.fromkeys(reason.rstrip(".") for reason in absent["reason"]), 3)
        return f"{count(len(absent), 'implementation')} did not run ({reasons})"
    if standing.empty:
        return "no check was recorded"
    groups = standing.groupby("standing")["implementation"].agg(list)
    return "; ".join(f"{listed(names)} {_verb(str(name), names)}" for name, names in groups.items())


def _all_agree(names: list[str]) -> str:
    if len(names) == 1:
        return f"{names[0]} agrees with the specification"
    return f"{'Both' if len(names) == 2 else f'All {len(names)}'} implementations agree with the specification"


def _one_fails(name: str, standing: str, so_far: str) -> str:
    how = "" if standing == "violates" else f": it {_verb(standing, [name])}"
    return f"{name} does not agree with the specification{so_far}{how}."


def _some_agree(agreeing: int, judged: int) -> str:
    agree = "agrees" if agreeing == 1 or not agreeing else "agree"
    return f"{agreeing or 'None'} of {judged} implementations {agree} with the specification"


def _wrong(failing: pd.DataFrame) -> str:
    kinds = {name: list(group["implementation"]) for name, group in failing.groupby("standing")}
    ordered = [(name, kinds[name]) for name in outcomes.ranked(map(str, kinds)) if name in kinds]
    return "; ".join(f"{len(names)} {_verb(name, names)}: {listed(names)}" for name, names in ordered)


def _verb(outcome: str, names: list[str]) -> str:
    singular, plural = outcomes.named(outcome).verb
    return singular if len(names) == 1 else plural


def interruption(run: Run) -> str:
    """A note on a run that did not reach its end; "" for one that did."""
    if run.complete:
        return ""
    return "This run was interrupted. The report shows the records up to then."


def extent(run: Run) -> list[str]:
    """The further cases of a check that went on, and the implementations whose check ended before all cases were tried."""
    further = run.section("further")
    who = f"{listed(further, 6)} {'was' if len(further) == 1 else 'were'} asked"
    went_on = [f"{who} {sum(further.values()):,} cases of further seeds."] if further else []
    return went_on + [f"{name}: {sentence}." for name, sentence in run.section("unfinished").items()]


def unknown(run: Run) -> str:
    """The outcomes that this version of the report does not know, in a sentence; "" where it knows all."""
    names = run.unknown_outcomes
    if not names:
        return ""
    which = f"outcome {names[0]} is" if len(names) == 1 else f"outcomes {listed(names)} are"
    why = "a newer version of attention-harness wrote the run, or a file is damaged"
    return f"The {which} unknown to this version of the report, and counted as failing: {why}."


def tried(run: Run) -> list[str]:
    """The amount of what was tried, as sentences."""
    rows = run.checks[run.checks["property"] != ""]
    if rows.empty:
        return ["No property was checked."]
    implementations = count(rows["implementation"].nunique(), "implementation")
    properties = count(len(rows.drop_duplicates(["spec", "property"])), "property", "properties")
    dtypes = [dtype for dtype in dict.fromkeys(rows["dtype"]) if dtype]
    vacuous = int(rows["vacuous"].sum())
    sentences = [
        f"{implementations} judged by {properties} in {listed(dtypes, 6) or 'no dtype'}: {int(rows['cases'].sum()):,} judgements of a case."
    ]
    if vacuous:
        verb = "is" if vacuous == 1 else "are"
        sentences.append(
            f"{count(vacuous, 'judgement')} more {verb} vacuous: no case exercised the property, so they do not count."
        )
    return sentences + part(run) + asked_only(run) + extent(run) + _mutation_score(run) + _closest(run)


def first_stage(run: Run) -> str:
    """What the first stage covers, of a run that asked no more; "" for others."""
    return " ".join(_mutation_score(run)) if "cases" in run.section("mutation_score") else ""


def _mutation_score(run: Run) -> list[str]:
    """Which planted faults the properties of this run reject, by an audit that was run before."""
    score = run.section("mutation_score")
    faults, rejected, examples = (score.get(name) for name in ("faults", "rejected", "examples"))
    cases = score.get("cases")
    only = [f"The first stage is all that was asked, at most {count(cases, 'case')}."] if cases and isinstance(cases, int) else []
    if not (isinstance(faults, int) and isinstance(rejected, int) and faults):
        return only
    with_what = "With seed 0 it rejects" if only else f"With {examples} examples these properties reject"
    return [*only, f"{with_what} {rejected:,} of {faults:,} planted faults (audit of {score.get('audited')})."]


def _closest(run: Run) -> list[str]:
    nearest = tabulate(run, "closest calls").head(1).to_dict("records")
    agreeing = [row for row in nearest if row["error / bound"] > 0]
    return [
        f"Where they agree, the worst error is {number(row['error / bound'])} of the bound ({row['implementation']})."
        for row in agreeing
    ]


def absent(run: Run) -> list[tuple[str, list[str]]]:
    """The reasons for which implementations did not run, each with their names."""
    groups = tabulate(run, "what did not run").groupby("reason", sort=False)["implementation"].agg(list)
    return [(str(reason), names) for reason, names in groups.items()]


def speed(run: Run) -> list[str]:
    """The verdicts of the comparisons with the baseline, as sentences."""
    decided = tabulate(run, "timing verdicts")
    total = int(decided["comparisons"].sum())
    if run.timings.empty:
        return ["Nothing was timed in this run."]
    baselines = listed(dict.fromkeys(name for name in run.timings["baseline"] if name)) or "the baseline"
    pairs = zip(decided["verdict"], decided["comparisons"], strict=True)
    parts = [f"{amount} {verdict.lower()}" for verdict, amount in pairs if amount]
    return [f"{count(total, 'comparison')} with {baselines}: {', '.join(parts) or 'none decided'}."]


def budget(run: Run) -> list[str]:
    """The workloads and processes that a budget left out, and the comparisons that ended early, as sentences."""
    return [line for line in (_left_out(run.section("budget")), _ended(run.section("budget"))) if line]


def _left_out(plan: dict[str, Any]) -> str:
    """Nothing where the run had no budget."""
    if not isinstance(plan.get("seconds"), int | float):
        return ""
    entries = _entries(plan, "left_out")
    whole = [entry["workload"] for entry in entries if entry.get("processes") == entry.get("of")]
    some = [
        f"{entry['workload']} ({entry.get('processes')} of {entry.get('of')})"
        for entry in entries
        if entry["workload"] not in whole
    ]
    parts = [f"all of {listed(whole, 12)}"] if whole else []
    parts += [f"processes of {listed(some, 12)}"] if some else []
    words = f"left out {' and '.join(parts)}; a longer `--budget` times them" if parts else "left nothing out"
    return f"The budget of {duration(float(plan['seconds']))} {words}{_spent(plan)}."


def _spent(plan: dict[str, Any]) -> str:
    names = ("before", "planned", "used")
    if not all(isinstance(plan.get(name), int | float) for name in names):
        return ""
    before, planned, used = (duration(float(plan[name])) for name in names)
    return f" ({before} before the timing, which took {used} of {planned})"


def _ended(plan: dict[str, Any]) -> str:
    entries = _entries(plan, "ended")
    if not entries:
        return ""
    noisy = sum(entry.get("reason") != "decided" for entry in entries)
    unsure = f", {noisy} of them because noise hides more than further rounds can show" if noisy else ""
    return f"{count(len(entries), 'comparison')} ended before the last process{unsure}; their intervals are wider, which pays for the look."


def _entries(plan: dict[str, Any], name: str) -> list[dict[str, Any]]:
    value = plan.get(name)
    return [one for one in value if isinstance(one, dict) and "workload" in one] if isinstance(value, list) else []


SCALING = ["sweep", "direction", "implementation", "time exponent", "95 % interval", "memory exponent", "points"]


def scaling(run: Run) -> list[list[str]]:
    """The growth of time and memory over each sweep, in the words of SCALING; nothing for fewer than three points."""
    fits = tabulate(run, "scaling").dropna(subset=["time exponent"]).to_dict("records")
    return [
        [
            *(str(row[name]) for name in SCALING[:3]), number(row["time exponent"]),
            f"[{number(row['time low'])}, {number(row['time high'])}]", number(row["memory exponent"]), str(row["points"]),
        ]
        for row in fits
    ]  # fmt: skip


NOISY = 0.05
"""The smallest difference that is called one, above which a session is noisy."""


def trust(run: Run) -> tuple[str, str]:
    """The trust that timings deserve: a word ("steady", "noisy", "unknown", "") and the sentence behind it."""
    noise = run.section("noise")
    if run.timings.empty:
        return "", ""
    if not isinstance(noise.get("floor"), int | float):
        return "unknown", "The noise of this machine was not measured: read the intervals with care."
    floor, half_width = float(noise["floor"]), float(noise.get("aa_half_width", float("nan")))
    own = f"the same code timed against itself differs by ±{percent(half_width)}, and " if math.isfinite(half_width) else ""
    load = f" The load was {number(float(noise['load']))}." if isinstance(noise.get("load"), int | float) else ""
    word = "noisy" if floor > NOISY else "steady"
    among = " On average, at most 5 % of the decided comparisons are false." if noise.get("comparisons") else ""
    return word, sentence(f"In the noisiest workload {own}a difference below {percent(floor)} does not count") + among + load


def method(run: Run) -> list[str]:
    """The method of the run, for the block that is copied with the environment."""
    took = run.metadata.get("seconds")
    lines = [
        "Judged against an oracle in float64 or better: exact properties bit for bit,",
        "all others within a bound derived from the data and the declared precision.",
        "Timed: implementations that passed their checks, in randomly ordered rounds of one process, with new values; outputs",
        "of timed calls are judged; the ratio's interval is 95 % over rounds; of all that is decided, 5 % are false on average at most.",
        "FLOPs = 4 * D * (visible pairs) * B * Hq; speed-up = baseline's time / its time.",
    ]
    return [*lines, f"The run took {duration(float(took))}."] if isinstance(took, int | float) else lines
