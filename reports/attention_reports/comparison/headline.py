"""The first screen of a comparison in words: is it still right, is it still as fast, can the two be compared."""

from math import isfinite

from attention_reports import outcomes
from attention_reports.cells import Row
from attention_reports.comparison.comparison import Comparison
from attention_reports.headline import Verdict, unknown
from attention_reports.load import Run
from attention_reports.text import count, in_words, listed, number, percent, sentence

MOST_NAMES = 4


def verdict(comparison: Comparison) -> Verdict:
    """The changes from A to B, in one sentence."""
    parts = [part for part in (_checks(comparison), _timings(comparison), _unjudged(comparison)) if part]
    if not comparison.compared:
        why = _unjudged(comparison) or "the runs have neither a check nor a timing in common"
        return Verdict(f"Nothing could be compared: {why}.", "open")
    certain = comparison.before.complete and comparison.after.complete and not _unjudged(comparison)
    return Verdict(sentence("; ".join(parts)), "bad" if comparison.worse else "good" if certain else "open")


def _checks(comparison: Comparison) -> str:
    broke, fixed = len(comparison.broken), len(comparison.fixed)
    if not (broke or comparison.common_checks):
        return ""
    fixed_words = f"{fixed} {'was' if fixed == 1 else 'were'} fixed"
    if broke:
        return f"{count(broke, 'property', 'properties')} broke{f', {fixed_words}' if fixed else ''}"
    if fixed:
        return f"no property broke, {fixed_words}"
    return "no outcome changed" if comparison.checks.empty else "no property broke"


def speed(comparison: Comparison) -> str:
    """The verdicts on changes of times, in a few words; "" where the runs have no time in common."""
    return _timings(comparison) or _unjudged(comparison)


def _timings(comparison: Comparison) -> str:
    tally = comparison.timings["verdict"].value_counts()
    broke, slower, faster, open_ = (int(tally.get(name, 0)) for name in ("BROKE", "SLOWER", "FASTER", "UNRESOLVED"))
    invalid = [f"{count(broke, 'timing')} became invalid"] if broke else []
    if not (total := len(comparison.judged)):
        return "; ".join(invalid)
    more = [f"{amount} {word}" for amount, word in ((faster, "faster"), (open_, "undecided")) if amount]
    return "; ".join([*invalid, ", ".join([f"{slower or 'none'} of {count(total, 'timing')} became slower", *more])])


def _unjudged(comparison: Comparison) -> str:
    """Why times that both runs took are not judged; "" where they are."""
    rows = comparison.timings[comparison.timings["verdict"] == "NOT JUDGED"]
    if rows.empty:
        return ""
    if comparison.differing:
        return f"timings are not judged, because the runs differ in {_differing(comparison)}"
    return f"{count(len(rows), 'timing is', 'timings are')} not judged ({listed(dict.fromkeys(rows['reason']), 2)})"


def _differing(comparison: Comparison) -> str:
    return listed(comparison.differing, MOST_NAMES)


def summary(comparison: Comparison) -> list[str]:
    """All that follows the verdict."""
    return [*right(comparison), *fast(comparison), *conditions(comparison)]


def right(comparison: Comparison) -> list[str]:
    """Outcomes, as sentences."""
    if not comparison.common_checks:
        return [f"The runs have no check in common: {_lacking(comparison, 'checks')}."]
    kinds = comparison.checks["change"].value_counts(sort=False)  # in the order of the table: what broke first
    amounts = [f"{kind} {amount:,}" for kind, amount in kinds.items()]
    both = f"{count(comparison.common_checks, 'check is', 'checks are')} in both runs, one for each implementation, property and dtype."
    appeared = comparison.checks[comparison.checks["change"] == "appeared"]
    new = appeared[appeared["after"].isin(outcomes.failing(appeared["after"]))]
    fail = [f"{count(len(new), 'check')} that only B made {'fails' if len(new) == 1 else 'fail'}."] if len(new) else []
    return [both, sentence(", ".join(amounts) or "no outcome changed"), *fail, *_drawn(comparison)]


def _drawn(comparison: Comparison) -> list[str]:
    """The arguments that drew other cases: a fault may be in both runs and met in one."""
    a, b = comparison.before.section("arguments"), comparison.after.section("arguments")
    other = [f"{name} ({a.get(name)}; {b.get(name)})" for name in ("examples", "seed") if a.get(name) != b.get(name)]
    return [f"The runs judged other cases: they differ in {listed(other)}."] if other else []


def fast(comparison: Comparison) -> list[str]:
    """Times, as sentences."""
    if not len(comparison.judged) and _unjudged(comparison):
        return ["Changes of times are shown, and not judged."]
    if not len(comparison.judged):
        return [f"The runs have no time in common: {_lacking(comparison, 'timings')}."]
    baselines = listed(dict.fromkeys(comparison.judged["baseline"]))
    own = f"Each is the ratio to {baselines} against the same ratio of the other run."
    itself = f"If {baselines} itself changed, all others seem to have changed the other way."
    return [*_slowest(comparison), own, itself]


def _slowest(comparison: Comparison) -> list[str]:
    """For each implementation that became slower where it did most, and on how many workloads more."""
    rows = comparison.regressions.sort_values("change", ascending=False, kind="stable")
    first, amounts = rows.drop_duplicates("implementation").head(MOST_NAMES), rows["implementation"].value_counts()
    more = {name: f", and is slower on {count(amount - 1, 'more workload')}" for name, amount in amounts.items() if amount > 1}
    return [f"{slowed(row)}{more.get(row['implementation'], '')}." for row in first.to_dict("records")]


def slowed(row: Row) -> str:
    """A change of a time in words."""
    interval = f"[{number(row['change_low'])}, {number(row['change_high'])}]"
    return f"{row['implementation']} takes {number(row['change'])} times as long {interval} on {place(row)}"


def place(row: Row) -> str:
    """The workload, dtype and direction of a timing."""
    return f"{row['workload']}, {row['dtype']} {row['direction']}"


def conditions(comparison: Comparison) -> list[str]:
    """Whether times can be compared, and how far; then notes on either run."""
    alike = "Times can be compared: processor, cores, Python, libraries and variables of threads and BLAS are the same."
    comparability = f"Times cannot be compared: the runs differ in {_differing(comparison)}." if comparison.differing else alike
    typical = float(comparison.judged["smallest_detectable"].median())
    least = [f"A change of {percent(typical)} could be seen, in the median."] if isfinite(typical) else []
    stopped = [f"Run {name} was interrupted." for name, run in _named(comparison) if not run.complete]
    foreign = [f"Run {name}: {note}" for name, run in _named(comparison) if (note := unknown(run))]
    return [comparability, *least, *stopped, *foreign]


def _lacking(comparison: Comparison, table: str) -> str:
    empty = [name for name, run in _named(comparison) if getattr(run, table).empty]
    return f"{' and '.join(empty)} {'has' if len(empty) == 1 else 'have'} none" if empty else "they are about other things"


def _named(comparison: Comparison) -> tuple[tuple[str, Run], ...]:
    return ("A", comparison.before), ("B", comparison.after)


def broken(cell: Row) -> str:
    """A property that broke, as a line."""
    dtypes = f" ({', '.join(cell['dtypes'])})" if cell["dtypes"] else ""
    return f"{cell['implementation']} {cell['after']}, and was {cell['before']}: {in_words(cell['property'])}{dtypes}"
