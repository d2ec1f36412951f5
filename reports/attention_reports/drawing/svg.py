"""matplotlib drawings as inline SVG that follows the page: its colours, its fonts, light or dark.

A drawing uses the colours below. They are placeholders: in the SVG each becomes the page's own CSS variable, so that one
drawing serves both colour schemes and print.
"""

import io
import re
import warnings
from collections.abc import Callable
from typing import Any

from markupsafe import escape
from matplotlib import rc_context
from matplotlib.figure import Figure

from attention_reports.text import visible

INK, MUTED, LINE, PAPER = "#010101", "#010102", "#010103", "#010104"
AGREES, VIOLATES, ACCENT, WARNING, PURPLE = "#010105", "#010106", "#010107", "#010108", "#010109"
_VARIABLES = {
    INK: "currentColor", MUTED: "var(--muted)", LINE: "var(--line)", PAPER: "var(--paper)", AGREES: "var(--agrees)",
    VIOLATES: "var(--violates)", ACCENT: "var(--accent)", WARNING: "var(--warning)",
    PURPLE: "var(--crashed)",
}  # fmt: skip
_SETTINGS: Any = {  # rc_context declares every key of matplotlib as a literal
    "svg.fonttype": "none", "font.size": 9, "text.color": INK, "axes.labelcolor": MUTED, "axes.edgecolor": LINE,
    "xtick.color": LINE, "ytick.color": LINE, "xtick.labelcolor": MUTED, "ytick.labelcolor": INK, "axes.spines.top": False,
    "axes.spines.right": False, "axes.facecolor": "none", "figure.facecolor": "none", "savefig.facecolor": "none",
    "text.parse_math": False, "hatch.color": MUTED, "hatch.linewidth": 0.6, "axes.titlesize": 9, "axes.titlecolor": MUTED,
}  # fmt: skip


def drawing(name: str, title: str, width: float, height: float, draw: Callable[[Figure], None], description: str = "") -> str:
    """The SVG of what `draw` puts on a figure of that size in inches.

    `name` must be unique on a page: element ids start with it. `title` is what a screen reader says, and `told`, where given, what
    there is to be seen. Same input, same text.
    """
    with rc_context({**_SETTINGS, "svg.hashsalt": name}), warnings.catch_warnings():
        # A name may be in a script that matplotlib's font lacks; the browser draws the text, not matplotlib.
        warnings.filterwarnings("ignore", message="Glyph")
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(figure)
        buffer = io.StringIO()
        figure.savefig(
            buffer, format="svg", metadata={"Date": None, "Creator": None, "Title": title, "Format": None, "Type": None}
        )
    described = f"</title><desc>{escape(description)}</desc>" if description else "</title>"
    lines = _inline(buffer.getvalue(), name).replace("</title>", described, 1).split("\n")
    return "\n".join(line if line.isprintable() else visible(line) for line in lines)


def _inline(svg: str, name: str) -> str:
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->|<style.*?</style>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    used = set(re.findall(r'(?:href="|url\()#([^")]*)', svg))
    svg = re.sub(r"<[^>]*>", lambda tag: _tag(tag[0], name, used), svg)
    svg = re.sub(r">\s+<", "><", svg)
    return re.sub(r"<g>(<path [^<>]*/>)</g>", r"\1", svg).replace("<svg ", '<svg role="img" ', 1)


def _tag(tag: str, name: str, used: set[str]) -> str:
    """One tag with the page's colours and fonts, unique ids where they are used, and hundredths of a point.

    Only tags are changed: what stands between them are names, which may look like anything.
    """
    tag = re.sub(r' id="([^"]*)"', lambda match: f' id="{name}-{match[1]}"' if match[1] in used else "", tag)
    tag = re.sub(r'(href="|url\()#', rf"\1#{name}-", tag)
    tag = re.sub(r"font-family: [^;\"]*;? ?|(?<=px )'[^;\"]*", lambda match: "" if match[0][0] == "f" else "sans-serif", tag)
    for placeholder, variable in _VARIABLES.items():
        tag = tag.replace(placeholder, variable)
    tag = re.sub(r"\d+\.\d{3,}", lambda match: f"{float(match[0]):.2f}".rstrip("0").rstrip("."), tag)
    return re.sub(r"\s+", " ", tag)
