"""Lines and tables on a terminal: with colour for people, whole and without it for pipes; foreign text is never markup."""

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from attention_reports import outcomes
from attention_reports.text import visible

STYLES = {"good": "bold green", "bad": "bold red", "open": "bold yellow", "FASTER": "green", "SLOWER": "red", "SAME": "cyan"}


def say(console: Console, text: str, style: str = "") -> None:
    """One line of text, never markup; an empty one is left out. Long lines stay whole, so that they can be copied."""
    if text:
        console.print(Text(visible(text), style=style), soft_wrap=True)


def print_table(console: Console, head: Sequence[str], rows: Iterable[Sequence[str]], numbers_from: int, to: int = 99) -> None:
    """The rows under their headings; columns from `numbers_from` to `to` are numbers. Nothing where there is no row."""
    cells = [[visible(cell) for cell in row] for row in rows]
    if not cells:
        return
    if not console.is_terminal:  # columns that a program can split and a log does not wrap
        widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
        for row in [head, *cells]:
            say(console, "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for place, name in enumerate(head):
        table.add_column(Text(name), justify="right" if numbers_from <= place < to else "left", overflow="fold")
    for row in cells:
        table.add_row(*(Text(cell, style=_style(cell)) for cell in row))
    console.print(table)


def _style(cell: str) -> str:
    return "red" if cell in outcomes.FAILING else "green" if cell == "agrees" else STYLES.get(cell, "")
