"""The report in a terminal: tables with colour for people, lines without for pipes."""

from collections.abc import Iterable

from rich.console import Console

from attention_reports import headline, outcomes
from attention_reports.audit import headline as audit
from attention_reports.cells import Row, untimed
from attention_reports.findings import findings
from attention_reports.load import Run
from attention_reports.printing import STYLES, print_table, say
from attention_reports.tables import tabulate
from attention_reports.text import bracketed, count, duration, in_words, listed, number

MOST_FINDINGS = 20


def print_checks(run: Run, console: Console) -> None:
    """The outcomes of each implementation, findings with replay commands, absent implementations, and the verdict last."""
    rows = [row for row in tabulate(run, "standing").to_dict("records") if row["standing"] != "unavailable"]
    columns = [name for name in outcomes.ranked(run.unknown_outcomes) if any(row.get(name) for row in rows)]
    lines = [
        [row["implementation"], row["standing"], *(f"{row[name] or ''}" for name in columns), f"{row['cases']:,}"] for row in rows
    ]
    print_table(console, ["implementation", "outcome", *columns, "cases"], lines, numbers_from=2)
    _print_findings(run, console)
    for reason, names in headline.absent(run):
        say(console, f"did not run: {', '.join(names)} ({reason})", "dim")
    say(console, headline.interruption(run), "yellow")
    say(console, headline.unknown(run), "yellow")
    say(console, headline.first_stage(run))
    for line in headline.part(run):
        say(console, line)
    for line in headline.extent(run):
        say(console, line, "yellow")
    verdict = headline.verdict(run)
    say(console, verdict.sentence, STYLES[verdict.tone])


def print_profile(run: Run, console: Console) -> None:
    """Wall-clock seconds of each check, by part."""
    seconds = tabulate(run, "profile")
    rows = [[str(name), f"{row.sum():.1f}", *(f"{value:.1f}" for value in row)] for name, row in seconds.iterrows()]
    print_table(console, ["seconds of", "in all", *map(str, seconds.columns)], rows, numbers_from=1)


def print_timings(run: Run, console: Console) -> None:
    """Every timing with its speed-up, interval and verdict, then how far to trust them."""
    rows = tabulate(run, "timings").to_dict("records")
    head = ["workload", "dtype", "direction", "implementation", "verdict", "speed-up", "interval", "median"]
    print_table(console, head, [_timing(row) for row in rows], numbers_from=5)
    print_table(console, headline.SCALING, headline.scaling(run), numbers_from=3)
    invalid = dict.fromkeys((row["implementation"], row["reason"]) for row in rows if row["verdict"] == "INVALID")
    for line in [
        *(f"{name} has no valid time: {reason}" for name, reason in invalid),
        *_unsupported(rows),
        *_not_timed({name: reason for name, reason in run.section("absent").items() if name not in dict(invalid)}),
        *headline.speed(run),
        *headline.budget(run),
        headline.trust(run)[1],
    ]:
        say(console, line)


def _not_timed(absent: dict[str, str]) -> list[str]:
    """A line for each reason."""
    names: dict[str, list[str]] = {}
    for name, reason in absent.items():
        names.setdefault(reason, []).append(name)
    return [f"{listed(those)} {'was' if len(those) == 1 else 'were'} not timed: {reason}" for reason, those in names.items()]


def _unsupported(rows: Iterable[Row]) -> list[str]:
    """Why an implementation was not timed: a line for each reason, with the workloads."""
    workloads: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row["verdict"] == "UNSUPPORTED":
            workloads.setdefault((row["implementation"], row["reason"]), []).append(row["workload"])
    return [
        f"{name} does not support {listed(dict.fromkeys(where))}: {reason or 'no reason given'}"
        for (name, reason), where in workloads.items()
    ]


def print_audit(run: Run, console: Console) -> None:
    """Classes of faults, survivors, accusations, other checks, and the verdict last."""
    head = ["class", "name", "faults", "rejected", "median cases", "first rejected by"]
    classes = tabulate(run, "mutation score by class").to_dict("records")
    print_table(console, head, [_class(row) for row in classes], numbers_from=2, to=5)
    for name in audit.survivors(run):
        say(console, f"survived: {name}", "bold red")
    for row in tabulate(run, "accusations").to_dict("records"):
        say(console, f"accused: {row['name']}, by {row['accused_by']}", "bold red")
        say(console, f"  {row['message']}{' [' + row['case'] + ']' if row['case'] else ''}")
    _print_audit_summary(run, console)


def _print_audit_summary(run: Run, console: Console) -> None:
    for line in audit.idle(run):
        say(console, line, "dim")
    say(console, audit.vacuous(run), "yellow")
    head = ["check", "faults found", "of", "false alarms", "of", "time"]
    print_table(console, head, [_other_check(row) for row in tabulate(run, "other_checks").to_dict("records")], numbers_from=1)
    for line in [*audit.caught(run), *audit.compared(run)]:
        say(console, line)
    say(console, headline.interruption(run), "yellow")
    say(console, headline.unknown(run), "yellow")
    verdict = audit.verdict(run)
    say(console, verdict.sentence, STYLES[verdict.tone])


def _class(row: Row) -> list[str]:
    numbers = [f"{row['faults']:,}", f"{row['rejected']:,}", audit.median(row["median cases"])]
    return [str(row["class"]), str(row["name"]), *numbers, audit.firsts(row["first"])]


def _other_check(row: Row) -> list[str]:
    numbers = [f"{row[name]:,}" for name in ("faults_found", "faults", "false_alarms", "controls")]
    return [str(row["check"]), *numbers, duration(float(row["seconds"]))]


def _timing(row: Row) -> list[str]:
    labels = [str(row[name]) for name in ("workload", "dtype", "direction", "implementation", "verdict")]
    if untimed(row):
        return [*labels, "", "", ""]
    speedup, low, high = (number(float(row[name])) for name in ("speedup", "speedup_low", "speedup_high"))
    interval = "" if row["verdict"] == "BASELINE" else f"[{low}, {high}]"
    return [*labels, f"{speedup}x", interval, duration(float(row["median"]))]


def _print_findings(run: Run, console: Console) -> None:
    every = findings(run)
    for finding in every[:MOST_FINDINGS]:
        cell = finding.head
        row = cell.witness
        where = bracketed([*cell.dtypes, "fails only here" if cell.only_here else ""])
        say(console, f"{cell.implementation} {cell.outcome.name}: {in_words(cell.name)}{where}", "bold red")
        say(console, f"  {row['message']}" if row["message"] else "")
        say(console, f"  looks like: {finding.looks_like}" if finding.looks_like else "", "bold")
        say(console, f"  replay: {row['replay']}" if row["replay"] else "", "cyan")
        say(console, f"  next: {cell.advice}", "dim")
        for other in finding.others:
            say(console, f"  also {other['outcome']}: {other['message']}")
            say(console, f"  replay: {other['replay']}" if other["replay"] else "", "cyan")
        say(console, f"  {finding.summary}" if finding.summary else "", "dim")
    if len(every) > MOST_FINDINGS:
        say(console, f"{count(len(every) - MOST_FINDINGS, 'further finding')} in the report", "dim")
