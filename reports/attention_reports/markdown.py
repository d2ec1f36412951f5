"""report.md: what fits a pull-request comment."""

from attention_reports import headline, outcomes
from attention_reports.audit import markdown as audit
from attention_reports.cells import Cell, Row, failures, untimed
from attention_reports.findings import Finding, findings
from attention_reports.github import MARKS, escape, fenced, table
from attention_reports.load import Run
from attention_reports.tables import tabulate
from attention_reports.text import claim, count, duration, number

MOST_FINDINGS = 20
MOST_OTHERS = 4
MOST_COLUMNS = 16
MOST_TIMINGS = 60
MOST_PRECISION = 30
MOST_SCALING = 30


def render(run: Run) -> str:
    """The report as GitHub-flavoured Markdown, short enough for one comment."""
    blocks = audit.blocks(run) if run.audits else _blocks(run)
    return "\n\n".join(block for block in blocks if block) + "\n"


def _blocks(run: Run) -> list[str]:
    return [
        *_verdict(run),
        *_standing(run),
        *_findings(run),
        *_matrix(run),
        *_precision(run),
        *_timings(run),
        *_scaling(run),
        *_absent(run),
    ]


def _verdict(run: Run) -> list[str]:
    counts = tabulate(run, "outcome counts")
    pairs = zip(counts["outcome"], counts["checks"], strict=True)
    told = ", ".join(f"{amount:,} {escape(name)}" for name, amount in pairs if amount)
    verdict = headline.verdict(run)
    head = f"### {MARKS[verdict.tone]} {escape(verdict.sentence, 2000)}"
    told = f"{told} (one for each implementation, property and dtype)." if told else ""
    notes = [escape(headline.interruption(run)), escape(headline.unknown(run), 1000)]
    return [head, *notes, escape(" ".join(headline.tried(run)), 2000), told]


def _standing(run: Run) -> list[str]:
    rows = [row for row in tabulate(run, "standing").to_dict("records") if row["standing"] != "unavailable"]
    wrong = [name for name in outcomes.ranked(run.unknown_outcomes) if outcomes.fails(name) or name == "waived"]
    uncommon = [name for name in wrong if any(row.get(name) for row in rows)]
    head = ["implementation", "framework", "agrees", *uncommon, "vacuous", "unsupported", "cases"]
    return [table([escape(name) for name in head], [_standing_row(row, head) for row in rows])]


def _standing_row(row: Row, head: list[str]) -> list[str]:
    sign = outcomes.named(str(row["standing"])).sign
    numbers = [f"{row[name]:,}" if row[name] else "" for name in head[2:]]
    return [f"{sign} {escape(row['implementation'])}", escape(f"{row['framework']} {row['version']}"), *numbers]


def _matrix(run: Run) -> list[str]:
    """The lines that something fails, and the columns that fail something: the rest is agreement."""
    failing = failures(run)
    columns = list(dict.fromkeys(cell.implementation for cell in failing))
    signs = {(cell.spec, cell.name, cell.implementation): _sign(cell) for cell in failing}
    lines = list(dict.fromkeys((cell.clause, cell.spec, cell.name) for cell in failing))[:60]
    shown = columns[:MOST_COLUMNS]
    rows = [
        [f"{escape(clause)} {escape(claim(name))}", *(signs.get((spec, name, c), "") for c in shown)]
        for clause, spec, name in lines
    ]
    more = (
        f"{count(len(columns) - len(shown), 'further implementation')} with failures not shown."
        if len(columns) > len(shown)
        else ""
    )
    return [table(["fails", *(escape(name) for name in shown)], rows), more]


def _sign(cell: Cell) -> str:
    return f"**{cell.outcome.sign}** only here" if cell.only_here else cell.outcome.sign


def _findings(run: Run) -> list[str]:
    found = findings(run)
    more = f"{count(len(found) - MOST_FINDINGS, 'further finding')} in report.html and checks.csv."
    shown = [_finding(finding) for finding in found[:MOST_FINDINGS]]
    return ["#### What is wrong" if shown else "", *shown, more if len(found) > MOST_FINDINGS else ""]


def _finding(finding: Finding) -> str:
    cell = finding.head
    row = cell.witness
    head = f"**{escape(cell.implementation)}** {escape(cell.outcome.name)}: {escape(claim(cell.name))} ({escape(', '.join(cell.dtypes))})"
    ratio = "" if cell.worst_ratio != cell.worst_ratio else f"; worst error {number(cell.worst_ratio)} of the bound"
    replay = f"replay: {row['replay'][:400]}" if row["replay"] else ""
    told = f"\n\n{escape(finding.told, 400)}." if finding.told else ""
    lines = [line for other in finding.others[:MOST_OTHERS] for line in _other(other)]
    evidence = fenced(row["message"][:600], replay, *lines)
    return f"{head}, {count(cell.cases, 'case')}{ratio}\n\n{evidence}\n\nNext: {cell.outcome.advice}{told}"


def _other(row: Row) -> list[str]:
    replay = f"replay: {row['replay'][:400]}" if row["replay"] else ""
    return [f"also {row['outcome']}: {row['message'][:400]}", replay]


def _precision(run: Run) -> list[str]:
    """Implementation x dtype: the tightest model that was met, and the largest error / bound under it."""
    rows = tabulate(run, "precision").to_dict("records")
    dtypes = list(dict.fromkeys(str(row["dtype"]) for row in rows))
    told = {(row["implementation"], row["dtype"]): f"{escape(row['tightest'] or 'none')} {number(row['worst'])}" for row in rows}
    names = list(dict.fromkeys(str(row["implementation"]) for row in rows))
    lines = [[escape(name), *(told.get((name, dtype), "") for dtype in dtypes)] for name in names[:MOST_PRECISION]]
    more = (
        f"{len(names) - len(lines)} further implementations are in report.html and precision.csv."
        if len(names) > len(lines)
        else ""
    )
    head = "#### The tightest precision that was met, and the largest error / bound" if rows else ""
    return [head, table(["implementation", *map(escape, dtypes)], lines), more]


def _timings(run: Run) -> list[str]:
    rows = tabulate(run, "timings").to_dict("records")
    head = ["workload", "implementation", "verdict", "speed-up", "95 % interval", "median"]
    shown = table(head, [_timing_row(row) for row in rows[:MOST_TIMINGS]])
    more = f"{len(rows) - MOST_TIMINGS} further timings are in report.html and timings.csv." if len(rows) > MOST_TIMINGS else ""
    trust = escape(headline.trust(run)[1])
    return [
        "#### Timings" if rows else "",
        " ".join(escape(told) for told in headline.speed(run)) if rows else "",
        trust,
        shown,
        more,
    ]


def _timing_row(row: Row) -> list[str]:
    where = escape(f"{row['workload']}, {row['dtype']} {row['direction']}", 80)
    if untimed(row):
        why = f": {escape(row['reason'], 120)}" if row["reason"] else ""
        return [where, escape(row["implementation"], 80), f"{escape(row['verdict'], 20)}{why}", "", "", ""]
    low, high = number(float(row["speedup_low"])), number(float(row["speedup_high"]))
    interval = "" if row["verdict"] == "BASELINE" else f"{low} to {high}"
    facts = [where, escape(row["implementation"], 80), escape(row["verdict"], 20)]
    return [*facts, f"{number(float(row['speedup']))}×", interval, duration(float(row["median"]))]


def _scaling(run: Run) -> list[str]:
    rows = headline.scaling(run)
    shown = table(headline.SCALING, [[*(escape(name, 80) for name in row[:3]), *row[3:]] for row in rows[:MOST_SCALING]])
    more = f"{len(rows) - MOST_SCALING} further sweeps are in report.html." if len(rows) > MOST_SCALING else ""
    return ["#### Scaling" if rows else "", shown, more]


def _absent(run: Run) -> list[str]:
    told = [f"- {escape(reason)}: {escape(', '.join(names))}" for reason, names in headline.absent(run)]
    return ["#### What did not run\n\n" + "\n".join(told)] if told else []
