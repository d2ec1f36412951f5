"""Alignment of causality and windows, with as many queries as keys, with fewer, and with more."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Unpack

import numpy as np

from attention_harness.probe.experiments import Observation, experiment
from attention_harness.probe.session import NOTHING, ProbeSession, UnaskableQuestion, quantity
from attention_harness.probe.terms import Options
from attention_specs.attention.inputs import LENGTHS as LENGTH_OPTIONS
from attention_specs.attention.inputs import Inputs
from attention_specs.contract import CHOICES

LENGTHS = ((3, 9), (9, 4), (1, 9))
"""Queries and keys: fewer, more, and one query as in decoding."""

PADDED = 2, 3
"""Queries and keys by which an entry is shorter than the next one, where lengths are options."""

FULL = {"left and right beside its place": (3, 1), "left with its place": (2, 1), "both with its place": (2, 0)}
"""How the edges (3, 1) may be meant -> the window in terms of the specification."""


@experiment("is_causal")
def causal_alignment(session: ProbeSession) -> Observation:
    """is_causal with fewer and with more queries than keys; rows that see nothing belong to another experiment."""

    def readings(x: Inputs) -> dict[str, Inputs]:
        """One query that sees all keys is the last one."""
        return _sides(x, "causal_alignment") | ({"not causal": x.replace(is_causal=False)} if x.q.shape[2] > 1 else {})

    return _aligned(session, "causal_alignment", "is_causal", readings, is_causal=True)


@experiment("window")
def window(session: ProbeSession) -> Observation:
    """window=(3, 1), where the edges may count the query's own place or not."""
    x = session.x(queries=9, keys=9, window=(3, 1))
    if x.q.shape[2] != x.k.shape[2]:
        raise UnaskableQuestion("with other lengths than those of the keys, alignments come in")
    readings = {name: x.replace(window=edges) for name, edges in FULL.items()} | {"no window": x.replace(window=None)}
    value = session.fitting(x, readings)
    session.edges = FULL.get(value, (3, 1))
    session.off |= set() if session.edges == FULL.get(value) == (3, 1) else {"window"}
    meant = "no reading fits" if value == NOTHING else value
    return Observation("window", value, f"window=(3, 1) on {x.k.shape[2]} keys: {meant}", "fixed", next(iter(FULL)))


@experiment("window")
def window_alignment(session: ProbeSession) -> Observation:
    """The same window with fewer and with more queries than keys."""

    def readings(x: Inputs) -> dict[str, Inputs]:
        meant = x.replace(window=session.edges)
        return _sides(meant, "window_alignment") | {"no window": x.replace(window=None)}

    return _aligned(session, "window_alignment", "window=(3, 1)", readings, window=(3, 1))


def _sides(x: Inputs, name: str) -> dict[str, Inputs]:
    return {str(side): x.replace(**{name: side}) for side in CHOICES[name]}


def _aligned(
    session: ProbeSession, name: str, what: str, readings: Callable[[Inputs], Mapping[str, Inputs]], **options: Unpack[Options]
) -> Observation:
    """The one side of all lengths at which the call is answered and the readings differ."""
    sides = dict(_sides_by_length(session, readings, options))
    evidence = "; ".join(f"{lengths}: {'no reading fits' if side == NOTHING else side}" for lengths, side in sides.items())
    values = set(sides.values())
    value = next(iter(values)) if len(values) == 1 and values <= set(CHOICES[name]) else NOTHING
    if value == NOTHING:
        session.off.add(next(iter(options)))
    else:
        session.known[name] = value
    return Observation(name, value, f"{what} with {evidence}")


def _sides_by_length(
    session: ProbeSession, readings: Callable[[Inputs], Mapping[str, Inputs]], options: Options
) -> Iterator[tuple[str, str]]:
    """Lengths and their side. Raises CallFailed or UnaskableQuestion where there is none."""
    calls = [session.x(queries=queries, keys=keys, **options) for queries, keys in LENGTHS]
    unequal = [x for x in calls if x.q.shape[2] != x.k.shape[2]] + _padded(session, options)
    reason, decided = UnaskableQuestion("only calls with as many queries as keys are answered"), False
    for x, _ in session.answers(unequal):
        try:
            side = session.fitting(x, readings(x))
        except UnaskableQuestion as alike:
            reason = alike
            continue
        decided = True
        lengths = [name for name in LENGTH_OPTIONS if getattr(x, name) is not None]
        beside = f", with {' and '.join(lengths)}" if lengths else ""
        yield f"{quantity(x.q.shape[2], 'query', 'queries')} on {quantity(x.k.shape[2], 'key')}{beside}", side
    if not decided:
        raise reason


def _padded(session: ProbeSession, options: Options) -> list[Inputs]:
    """A call whose entries have lengths of their own, if these are options: there, each counts from its own end or start."""
    shorter = {name: fewer for name, fewer in zip(LENGTH_OPTIONS, PADDED, strict=True) if session.asks(name)}
    if not shorter:
        return []
    x = session.x(queries=7, keys=9, **options)
    sizes = dict(zip(LENGTH_OPTIONS, (x.q.shape[2], x.k.shape[2]), strict=True))
    given = {name: np.maximum(sizes[name] - fewer * np.arange(len(x.q)), 1) for name, fewer in shorter.items()}
    return [x.replace(**given)]
