"""Markdown as GitHub shows it. Foreign text is escaped, so that it mentions and links nobody."""

import re
from collections.abc import Iterable, Sequence

from attention_reports.text import visible

_SPECIAL = re.compile(r"[\\`*\[\]<>#|~$&@]|(?<!\w)_|_(?!\w)|:(?=//)|(?<=www)\.|^\s*[+-]|(?<=^\d)[.)]", re.IGNORECASE)
MARKS = {"good": "✅", "bad": "❌", "open": "⚠️"}


def escape(text: object, most: int = 300) -> str:
    """The text as Markdown that renders as exactly that text; longer ones are cut.

    Character references instead of backslashes: an escaped `@` or `://` still mentions and links, these do not.
    """
    plain = visible(text)
    plain = plain if len(plain) <= most else f"{plain[: most - 1]}…"
    return _SPECIAL.sub(lambda match: "".join(f"&#{ord(character)};" for character in match[0]), plain)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The rows under their headings; "" where there are none."""
    lines = [f"| {' | '.join(cells)} |" for cells in rows]
    return "\n".join([f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}", *lines]) if lines else ""


def fenced(*lines: str) -> str:
    """Lines as they are, between fences longer than any run of backticks in them; nothing in there mentions or links. "" for none."""
    text = "\n".join(visible(line) for line in lines if line)
    if not text:
        return ""
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence}text\n{text}\n{fence}"
