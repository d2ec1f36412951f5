"""Words and numbers as a reader sees them: foreign text made visible, three significant digits, one unit."""

import math
import re
import unicodedata
from collections.abc import Iterable
from typing import Any

_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def visible(text: object) -> str:
    """The text with every character that draws nothing, moves the cursor or turns the writing direction spelled out."""
    return "".join(_spelled(c) if unicodedata.category(c) in _UNSEEN else c for c in str(text))


def _spelled(character: str) -> str:
    plain = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return plain.get(character) or (f"\\x{ord(character):02x}" if ord(character) < 256 else f"\\u{ord(character):04x}")


def number(value: float) -> str:
    """Three significant digits; "n/a" for NaN."""
    if math.isnan(value):
        return "n/a"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if abs(value) >= 1000:
        return f"{value:,.0f}" if abs(value) < 1e7 else f"{value:.2e}"
    return f"{value:#.3g}".rstrip(".") if abs(value) >= 0.001 else f"{value:.2g}"


def duration(seconds: float) -> str:
    """A time with its unit, from ns to minutes."""
    if not math.isfinite(seconds):
        return "n/a"
    if seconds >= 120:
        return f"{seconds / 60:.1f} min"
    for size, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if seconds >= size:
            return f"{number(seconds / size)} {unit}"
    return f"{number(seconds * 1e9)} ns" if seconds else "0 s"


def plainly(seconds: float) -> str:
    """A time on an axis, where "1.00 ms" is "1 ms"."""
    return re.sub(r"\.0+ ", " ", duration(seconds))


def memory(size: float) -> str:
    """Bytes with their binary unit."""
    if not math.isfinite(size):
        return "n/a"
    for power, unit in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
        if size >= 2**power:
            return f"{number(size / 2**power)} {unit}"
    return f"{size:.0f} B"


def percent(fraction: float) -> str:
    """A fraction of one as a percentage of two digits, or of whole percents."""
    if not math.isfinite(fraction):
        return "n/a"
    return f"{100 * fraction:.{0 if abs(fraction) >= 0.1 else 1}f} %"


def portion(fraction: float) -> str:
    """A fraction as a percentage, of which there are a hundred only where nothing is missing."""
    return "n/a" if not math.isfinite(fraction) else percent(fraction if fraction >= 1 else min(fraction, 0.994))


def calls(amount: float) -> str:
    """The calls after which something has paid for itself; "" where nothing had to, which is 0 or NaN."""
    return "never" if math.isinf(amount) else count(math.ceil(amount), "call") if amount > 0 else ""


def count(amount: int, noun: str, plural: str = "") -> str:
    """A number with its noun: "1 case", "1,200 cases"."""
    return f"{amount:,} {noun if amount == 1 else plural or noun + 's'}"


def bracketed(words: Iterable[str]) -> str:
    """ " (a, b)", behind a noun; "" without words."""
    inside = ", ".join(filter(None, words))
    return f" ({inside})" if inside else ""


def listed(names: Iterable[object], most: int = 4) -> str:
    """ "a", "a and b", "a, b and c"; beyond `most`, how many more there are."""
    words = [str(name) for name in names]
    if len(words) > most:
        words = [*words[: most - 1], f"{len(words) - most + 1} more"]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def in_words(name: str) -> str:
    """A property's name, read as the sentence that it is."""
    return name.replace("_", " ")


def without_classes(summary: str) -> str:
    """The summary of a property without the classes of bugs behind it, which older runs have."""
    return re.sub(r"\s*\([^()]*\bC\d\d[^()]*\)", "", summary)


def natural(name: str) -> list[tuple[int, int, str]]:
    """A sorting key by which P2 comes before P10."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", name) if part]


def sentence(text: str) -> str:
    """The text with a capital at its start and a full stop at its end."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}." if text else ""


def plain(value: Any) -> str:
    """A declared value as a reader would write it: yes, no, a list with commas, `mask: value` pairs."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, dict):
        return ", ".join(f"{key}: {plain(entry)}" for key, entry in value.items())
    if isinstance(value, list):
        return ", ".join(plain(entry) for entry in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
