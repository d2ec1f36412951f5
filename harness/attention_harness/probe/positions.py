"""What counts from where: causality and windows, with as many queries as keys, with fewer, and with more."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from attention_harness.probe.experiments import Observation, experiment
from attention_harness.probe.session import NOTHING, Lab, NotAsked, counted
from attention_specs.contract import CHOICES

LENGTHS = ((3, 9), (9, 4), (1, 9))
"""Queries and keys: fewer, more, and one query as in decoding."""

FULL = {"left and right beside its place": (3, 1), "left with its place": (2, 1), "both with its place": (2, 0)}
"""How the edges (3, 1) may be meant -> the window in terms of the specification."""


@experiment("is_causal")
def causal_alignment(lab: Lab) -> Observation:
    """is_causal with fewer and with more queries than keys; rows that see nothing are left to another experiment."""

    def readings(x: Any) -> dict[str, Any]:
        """One query that sees all keys is the last one."""
        return _sides(x, "causal_alignment") | ({"not causal": x.replace(is_causal=False)} if x.q.shape[2] > 1 else {})

    return _aligned(lab, "causal_alignment", "is_causal", readings, is_causal=True)


@experiment("window")
def window(lab: Lab) -> Observation:
    """window=(3, 1), where the edges may count the query's own place or not."""
    x = lab.x(queries=9, keys=9, window=(3, 1))
    if x.q.shape[2] != x.k.shape[2]:
        raise NotAsked("with other lengths than those of the keys, alignments come in")
    readings = {name: x.replace(window=edges) for name, edges in FULL.items()} | {"no window": x.replace(window=None)}
    value = lab.fitting(x, readings)
    lab.edges = FULL.get(value, (3, 1))
    lab.off |= set() if lab.edges == FULL.get(value) == (3, 1) else {"window"}
    meant = "no reading fits" if value == NOTHING else value
    return Observation("window", value, f"window=(3, 1) on {x.k.shape[2]} keys: {meant}", "fixed", next(iter(FULL)))


@experiment("window")
def window_alignment(lab: Lab) -> Observation:
    """The same window with fewer and with more queries than keys."""

    def readings(x: Any) -> dict[str, Any]:
        meant = x.replace(window=lab.edges)
        return _sides(meant, "window_alignment") | {"no window": x.replace(window=None)}

    return _aligned(lab, "window_alignment", "window=(3, 1)", readings, window=(3, 1))


def _sides(x: Any, name: str) -> dict[str, Any]:
    return {str(side): x.replace(**{name: side}) for side in CHOICES[name]}


def _aligned(lab: Lab, name: str, what: str, readings: Callable[[Any], Mapping[str, Any]], **options: Any) -> Observation:
    """What all lengths say that are answered and tell the readings apart."""
    sides = dict(_told(lab, readings, options))
    told = "; ".join(f"{lengths}: {'no reading fits' if side == NOTHING else side}" for lengths, side in sides.items())
    values = set(sides.values())
    value = next(iter(values)) if len(values) == 1 and values <= set(CHOICES[name]) else NOTHING
    if value == NOTHING:
        lab.off.add(next(iter(options)))
    else:
        lab.known[name] = value
    return Observation(name, value, f"{what} with {told}")


def _told(lab: Lab, readings: Callable[[Any], Mapping[str, Any]], options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Lengths, and which side they say. Raises CallFailed or NotAsked where none says any."""
    calls = [lab.x(queries=queries, keys=keys, **options) for queries, keys in LENGTHS]
    unequal = [x for x in calls if x.q.shape[2] != x.k.shape[2]]
    reason, told = NotAsked("only calls with as many queries as keys are answered"), False
    for x, _ in lab.answers(unequal):
        try:
            side = lab.fitting(x, readings(x))
        except NotAsked as alike:
            reason = alike
            continue
        told = True
        yield f"{counted(x.q.shape[2], 'query', 'queries')} on {counted(x.k.shape[2], 'key')}", side
    if not told:
        raise reason
