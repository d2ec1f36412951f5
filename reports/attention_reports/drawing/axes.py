"""Axes that the report's pictures share: logarithmic, with few round ticks; and a look for each implementation."""

import math
from collections.abc import Callable, Iterable
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from attention_reports.drawing import svg
from attention_reports.text import visible

_COLOURS = (svg.ACCENT, svg.WARNING, svg.AGREES, svg.VIOLATES, svg.PURPLE, svg.INK)
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_DASHES = ("-", "--", ":")
LONGEST = 30
Looks = dict[str, dict[str, Any]]


def looks(names: Iterable[object]) -> Looks:
    """Colour, marker, dash and label for each name, the same in all pictures of a page; up to 42 names differ from each other."""
    return {name: _look(place, name) for place, name in enumerate(sorted({str(name) for name in names}))}


def _look(place: int, name: str) -> dict[str, Any]:
    turn, colour = divmod(place, len(_COLOURS))
    dash = _DASHES[turn % len(_DASHES)]
    return {"color": _COLOURS[colour], "marker": _MARKERS[place % len(_MARKERS)], "linestyle": dash, "label": label(name)}


def dot(axes: Axes, x: float, y: float, look: dict[str, Any], *, hollow: bool) -> None:
    """A single point in the look of its implementation."""
    filled = svg.PAPER if hollow else look["color"]
    axes.plot([x], [y], **{**look, "linestyle": "none", "markersize": 5.5, "markerfacecolor": filled})


def label(name: object) -> str:
    """A name short enough to leave room for the picture: the middle goes, since names differ at their ends."""
    text = visible(name)
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]}…{text[1 - LONGEST // 2 :]}"


def logarithmic(axes: Axes, which: str, limits: tuple[float, float], say: Callable[[float], str]) -> None:
    """Makes the axis "x" or "y" logarithmic between these limits, its ticks in the words of `say`."""
    axes.set(**{f"{which}scale": "log", f"{which}lim": limits})
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(FixedLocator(ticks(*limits)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: say(value)))


def ticks(low: float, high: float, most: int = 7) -> list[float]:
    """Powers of ten, with 2 and 5 between them where that leaves few, and not every one where there are many."""
    powers = [10.0**power for power in range(-25, 19)]
    steps = [step * power for power in powers for step in (1, 2, 5) if low <= step * power <= high]
    if len(steps) <= most:
        return steps
    whole = [power for power in powers if low <= power <= high]
    return whole[:: -(-len(whole) // most)]


def around(values: Iterable[float], room: float = 1.3) -> tuple[float, float]:
    """Limits with some room around all values that have a logarithm; (1 / room, room) without any."""
    finite = [value for value in values if 0 < value < math.inf] or [1.0]
    return min(finite) / room, max(finite) * room


def quiet(axes: Axes) -> None:
    """A faint grid behind what is drawn, and no tick marks."""
    axes.grid(color=svg.LINE, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)


def legend(figure: Figure) -> None:
    """The names of the looks, beside the axes; each once."""
    once: dict[str, Any] = {}
    for axes in figure.axes:
        for line in axes.lines:
            if not (name := str(line.get_label())).startswith("_"):  # matplotlib's mark of a line without a name
                once.setdefault(name, _filled(line))
    figure.legend(list(once.values()), list(once), loc="outside right upper", frameon=False, fontsize=8, handlelength=2.2)


def _filled(line: Line2D) -> Line2D:
    """The line as it stands in a legend: a point of it may be hollow, its name is not."""
    look: dict[str, Any] = {"color": line.get_color(), "marker": line.get_marker(), "linestyle": line.get_linestyle()}
    return Line2D([], [], markersize=4.5, linewidth=1.4, **look)
