"""The comparison on a terminal."""

from rich.console import Console

from attention_reports.comparison import headline
from attention_reports.comparison.comparison import Comparison
from attention_reports.comparison.markdown import fixed_cell, moved, timed
from attention_reports.printing import STYLES, print_table, say
from attention_reports.text import count

MOST_BROKEN = 20


def print_comparison(comparison: Comparison, console: Console) -> None:
    """The verdict, what broke with its replay line, what else changed, and the timings, what became slower first."""
    verdict = headline.verdict(comparison)
    say(console, verdict.sentence, STYLES[verdict.tone])
    _print_broken(comparison, console)
    fixed_rows = [fixed_cell(cell) for cell in comparison.fixed]
    print_table(console, ["fixed", "property", "dtypes", "was"], fixed_rows, numbers_from=99)
    head = ["implementation", "change", "from", "to", "properties", "why"]
    print_table(console, head, [moved(row) for row in comparison.moves], numbers_from=99)
    rows = comparison.timings[comparison.timings["verdict"] != "BASELINE"].to_dict("records")
    head = ["workload", "implementation", "verdict", "time B / A", "interval", "why"]
    print_table(console, head, [timed(row) for row in rows], numbers_from=3, to=5)
    for line in headline.summary(comparison):
        say(console, line)


def _print_broken(comparison: Comparison, console: Console) -> None:
    broken = comparison.broken
    for cell in broken[:MOST_BROKEN]:
        say(console, headline.broken(cell), "bold red")
        say(console, f"  {cell['message']}" if cell["message"] else "")
        say(console, f"  replay: {cell['replay']}" if cell["replay"] else "", "cyan")
    if len(broken) > MOST_BROKEN:
        say(console, f"{count(len(broken) - MOST_BROKEN, 'further property', 'further properties')} broke, see the page", "dim")
