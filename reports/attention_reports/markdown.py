"""report.md: the report as a pull-request comment."""

from attention_reports import headline, outcomes
from attention_reports.audit import markdown as audit
from attention_reports.cells import Cell, Row, failures, untimed
from attention_reports.findings import Finding, findings
from attention_reports.github import MARKS, escape, fenced, table
from attention_reports.load import Run
from attention_reports.tables import tabulate
from attention_reports.text import bracketed, count, duration, in_words, number

MOST_FINDINGS = 20
MOST_OTHERS = 4
MOST_COLUMNS = 16
MOST_TIMINGS = 60
MOST_PRECISION = 30
MOST_SCALING = 30


def render(run: Run, most_findings: int = MOST_FINDINGS) -> str:
    """The report as GitHub-flavoured Markdown, by default short enough for one comment."""
    blocks = audit.blocks(run) if run.audits else _blocks(run, most_findings)
    return "\n\n".join(block for block in blocks if block) + "\n"


def _blocks(run: Run, most_findings: int) -> list[str]:
    return [
        *_verdict(run),
        *_standing(run),
        *_findings(run, most_findings),
        *_matrix(run),
        *_precision(run),
        *_timings(run),
        *_scaling(run),
        *_absent(run),
    ]


def _verdict(run: Run) -> list[str]:
    counts = tabulate(run, "outcome counts")
    pairs = zip(counts["outcome"], counts["checks"], strict=True)
    tally = ", ".join(f"{amount:,} {escape(name)}" for name, amount in pairs if amount)
    verdict = headline.verdict(run)
    head = f"### {MARKS[verdict.tone]} {escape(verdict.sentence, 2000)}"
    tally = f"{tally} (one for each implementation, property and dtype)." if tally else ""
    notes = [escape(headline.interruption(run)), escape(headline.unknown(run), 1000)]
    return [head, *notes, escape(" ".join(headline.tried(run)), 2000), tally]


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
    lines = list(dict.fromkeys((cell.id, cell.spec, cell.name) for cell in failing))[:60]
    drawn = columns[:MOST_COLUMNS]
    rows = [
        [f"{escape(id)} {escape(in_words(name))}", *(signs.get((spec, name, c), "") for c in drawn)] for id, spec, name in lines
    ]
    more = (
        f"{count(len(columns) - len(drawn), 'further implementation')} with failures not shown."
        if len(columns) > len(drawn)
        else ""
    )
    return [table(["fails", *(escape(name) for name in drawn)], rows), more]


def _sign(cell: Cell) -> str:
    return f"**{cell.outcome.sign}** only here" if cell.only_here else cell.outcome.sign


def _findings(run: Run, most: int) -> list[str]:
    all_findings = findings(run)
    more = f"{count(len(all_findings) - most, 'further finding')} in report.html and checks.csv."
    blocks = [_finding(finding) for finding in all_findings[:most]]
    return ["#### What is wrong" if blocks else "", *blocks, more if len(all_findings) > most else ""]


def _finding(finding: Finding) -> str:
    cell = finding.head
    row = cell.witness
    where = f"{in_words(cell.name)}{bracketed(cell.dtypes)}"
    head = f"**{escape(cell.implementation)}** {escape(cell.outcome.name)}: {escape(where)}"
    ratio = "" if cell.known_ratio != cell.known_ratio else f"; worst error {number(cell.known_ratio)} of the bound"
    replay = f"replay: {row['replay'][:400]}" if row["replay"] else ""
    more = f"\n\n{escape(finding.summary, 400)}." if finding.summary else ""
    lines = [line for other in finding.others[:MOST_OTHERS] for line in _other(other)]
    looks_like = f"looks like: {finding.looks_like[:400]}" if finding.looks_like else ""
    evidence = fenced(row["message"][:600], looks_like, replay, *lines)
    parts = [f"{head}, {count(cell.cases, 'case')}{ratio}", evidence, f"Next: {cell.advice}{more}"]
    return "\n\n".join(filter(None, parts))


def _other(row: Row) -> list[str]:
    replay = f"replay: {row['replay'][:400]}" if row["replay"] else ""
    return [f"also {row['outcome']}: {row['message'][:400]}", replay]


def _precision(run: Run) -> list[str]:
    """Implementation x dtype: the tightest model that was met, and the largest error / bound under it."""
    rows = tabulate(run, "precision").to_dict("records")
    dtypes = list(dict.fromkeys(str(row["dtype"]) for row in rows))
    texts = {(row["implementation"], row["dtype"]): f"{escape(row['tightest'] or 'none')} {number(row['worst'])}" for row in rows}
    names = list(dict.fromkeys(str(row["implementation"]) for row in rows))
    lines = [[escape(name), *(texts.get((name, dtype), "") for dtype in dtypes)] for name in names[:MOST_PRECISION]]
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
    lines = table(head, [_timing_row(row) for row in rows[:MOST_TIMINGS]])
    more = f"{len(rows) - MOST_TIMINGS} further timings are in report.html and timings.csv." if len(rows) > MOST_TIMINGS else ""
    trust, budget = escape(headline.trust(run)[1]), headline.budget(run)
    return [
        "#### Timings" if rows or budget else "",
        " ".join(escape(line, 2000) for line in [*headline.speed(run), *budget]) if rows or budget else "",
        trust,
        lines,
        more,
    ]


def _timing_row(row: Row) -> list[str]:
    where = escape(f"{row['workload']}, {row['dtype']} {row['direction']}", 80)
    if untimed(row):
        why = f": {escape(row['reason'], 120)}" if row["reason"] else ""
        return [where, escape(row["implementation"], 80), f"{escape(row['verdict'], 20)}{why}", "", "", ""]
    low, high = number(float(row["speedup_low"])), number(float(row["speedup_high"]))
    interval = "" if row["verdict"] == "BASELINE" else f"{low} to {high}"
    labels = [where, escape(row["implementation"], 80), escape(row["verdict"], 20)]
    return [*labels, f"{number(float(row['speedup']))}×", interval, duration(float(row["median"]))]


def _scaling(run: Run) -> list[str]:
    rows = headline.scaling(run)
    fits = table(headline.SCALING, [[*(escape(name, 80) for name in row[:3]), *row[3:]] for row in rows[:MOST_SCALING]])
    more = f"{len(rows) - MOST_SCALING} further sweeps are in report.html." if len(rows) > MOST_SCALING else ""
    return ["#### Scaling" if rows else "", fits, more]


def _absent(run: Run) -> list[str]:
    lines = [f"- {escape(reason)}: {escape(', '.join(names))}" for reason, names in headline.absent(run)]
    return ["#### What did not run\n\n" + "\n".join(lines)] if lines else []
