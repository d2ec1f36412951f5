"""The same answers in a terminal: tables with colour for people, lines without for pipes."""

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from reports import headline, outcomes
from reports.audit import headline as audit
from reports.cells import Row, failures
from reports.load import Run
from reports.text import claim, count, duration, number, visible

_STYLES = {"good": "bold green", "bad": "bold red", "open": "bold yellow", "FASTER": "green", "SLOWER": "red", "SAME": "cyan"}
MOST_FAILURES = 20


def print_checks(run: Run, console: Console) -> None:
    """What each implementation did, each failure with its replay command, what did not run, and the verdict last."""
    rows = [row for row in run.table("standing").to_dict("records") if row["standing"] != "unavailable"]
    shown = [name for name in outcomes.BY_NAME if any(row[name] for row in rows)]
    lines = [
        [row["implementation"], row["standing"], *(f"{row[name] or ''}" for name in shown), f"{row['cases']:,}"] for row in rows
    ]
    _print_table(console, ["implementation", "outcome", *shown, "cases"], lines, numbers_from=2)
    _print_failures(run, console)
    for reason, names in headline.absent(run):
        _print(console, f"did not run: {', '.join(names)} ({reason})", "dim")
    _print(console, headline.interruption(run), "yellow")
    verdict = headline.verdict(run)
    _print(console, verdict.sentence, _STYLES[verdict.tone])


def print_timings(run: Run, console: Console) -> None:
    """Every timing with its speed-up, interval and verdict, then how far to trust them."""
    rows = run.table("timings").to_dict("records")
    head = ["workload", "dtype", "direction", "implementation", "verdict", "speed-up", "interval", "median"]
    _print_table(console, head, [_timing(row) for row in rows], numbers_from=5)
    _print_table(console, headline.SCALING, headline.scaling(run), numbers_from=3)
    invalid = dict.fromkeys((row["implementation"], row["reason"]) for row in rows if row["verdict"] == "INVALID")
    for told in [
        *(f"{name} has no valid time: {reason}" for name, reason in invalid),
        *headline.speed(run),
        headline.trust(run)[1],
    ]:
        _print(console, told)


def print_audit(run: Run, console: Console) -> None:
    """What became of each class of faults, survivors, accusations, what other checks find, and the verdict last."""
    head = ["class", "name", "faults", "rejected", "median cases", "first rejected by"]
    classes = run.table("power by class").to_dict("records")
    _print_table(console, head, [_class(row) for row in classes], numbers_from=2, to=5)
    for name in audit.survivors(run):
        _print(console, f"survived: {name}", "bold red")
    for row in run.table("accusations").to_dict("records"):
        _print(console, f"accused: {row['name']}, by {row['accused_by']}", "bold red")
        _print(console, f"  {row['message']}{' [' + row['case'] + ']' if row['case'] else ''}")
    _print_audit_summary(run, console)


def _print_audit_summary(run: Run, console: Console) -> None:
    for told in audit.idle(run):
        _print(console, told, "dim")
    _print(console, audit.vacuous(run), "yellow")
    head = ["check", "faults found", "of", "false alarms", "of", "time"]
    _print_table(console, head, [_peer(row) for row in run.table("peers").to_dict("records")], numbers_from=1)
    for told in [*audit.caught(run), *audit.compared(run)]:
        _print(console, told)
    _print(console, headline.interruption(run), "yellow")
    verdict = audit.verdict(run)
    _print(console, verdict.sentence, _STYLES[verdict.tone])


def _class(row: Row) -> list[str]:
    numbers = [f"{row['faults']:,}", f"{row['rejected']:,}", audit.median(row["median cases"])]
    return [str(row["class"]), str(row["name"]), *numbers, audit.firsts(row["first"])]


def _peer(row: Row) -> list[str]:
    numbers = [f"{row[name]:,}" for name in ("faults_found", "faults", "false_alarms", "sound")]
    return [str(row["peer"]), *numbers, duration(float(row["seconds"]))]


def _timing(row: Row) -> list[str]:
    facts = [str(row[name]) for name in ("workload", "dtype", "direction", "implementation", "verdict")]
    if row["verdict"] == "INVALID":
        return [*facts, "", "", ""]
    speedup, low, high = (number(float(row[name])) for name in ("speedup", "speedup_low", "speedup_high"))
    interval = "" if row["verdict"] == "BASELINE" else f"[{low}, {high}]"
    return [*facts, f"{speedup}x", interval, duration(float(row["median"]))]


def _print_failures(run: Run, console: Console) -> None:
    failing = failures(run)
    for cell in failing[:MOST_FAILURES]:
        row = cell.witness
        only = ", fails only here" if cell.only_here else ""
        where = f" ({', '.join(cell.dtypes)}{only})" if cell.dtypes or only else ""
        _print(console, f"{cell.implementation} {cell.outcome.name}: {claim(cell.name)}{where}", "bold red")
        _print(console, f"  {row['message']}" if row["message"] else "")
        _print(console, f"  replay: {row['replay']}" if row["replay"] else "", "cyan")
    if len(failing) > MOST_FAILURES:
        _print(console, f"{count(len(failing) - MOST_FAILURES, 'further failure')} in the report", "dim")


def _print(console: Console, text: str, style: str = "") -> None:
    """One line of text, never markup; an empty one is left out. Long lines stay whole, so that they can be copied."""
    if text:
        console.print(Text(visible(text), style=style), soft_wrap=True)


def _print_table(console: Console, head: Sequence[str], rows: Iterable[Sequence[str]], numbers_from: int, to: int = 99) -> None:
    cells = [[visible(cell) for cell in row] for row in rows]
    if not cells:
        return
    if not console.is_terminal:  # columns that a program can split and a log does not wrap
        widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
        for row in [head, *cells]:
            _print(console, "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for place, name in enumerate(head):
        table.add_column(Text(name), justify="right" if numbers_from <= place < to else "left", overflow="fold")
    for row in cells:
        table.add_row(*(Text(cell, style=_style(cell)) for cell in row))
    console.print(table)


def _style(cell: str) -> str:
    return "red" if cell in outcomes.FAILING else "green" if cell == "agrees" else _STYLES.get(cell, "")
