"""Calls with something bad in them: NaN in hidden keys, and sizes that do not fit together."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from attention_harness.errors import REFUSALS, CallFailed
from attention_harness.probe.experiments import Observation, experiment
from attention_harness.probe.session import ProbeSession, UnaskableQuestion, quantity
from attention_harness.probe.terms import CallProblem, Options, Sizes
from attention_specs import masks
from attention_specs.attention.inputs import Inputs
from attention_specs.biases import minus_infinity
from attention_specs.judge import identical
from attention_specs.properties.calls import misfits

SAFE: dict[tuple[bool, bool], bool | str] = {
    (False, False): True, (False, True): "keys", (True, False): "values", (True, True): False,
}  # fmt: skip
"""Whether it spreads from keys, and from values -> the declaration."""

GARBAGE = {"NaN": np.nan, "infinity": np.inf}


@experiment()
def masked_nan_safe(session: ProbeSession) -> Observation:
    """NaN and infinity in hidden keys, then in hidden values, by each way of hiding them."""
    calls = [(how, x) for dtype in session.dtypes for how, x in _hiding(session, dtype) if _hidden(x).any()]
    answered = [(how, x, out) for how, x in calls for _, out in _answered(session, x)]
    ways = list(dict.fromkeys(how for how, *_ in answered))
    if not ways:
        raise UnaskableQuestion(
            "no call that hides a key from all is answered" if calls else "no option that it has hides a key from all"
        )
    ways_by_array = {name: {how for how, x, out in answered if _spreads(session, x, out, name)} for name in ("keys", "values")}
    sentences = [f"NaN and infinity in {name} {_where(hows, ways)}" for name, hows in ways_by_array.items()]
    value = SAFE[bool(ways_by_array["keys"]), bool(ways_by_array["values"])]
    return Observation("masked_nan_safe", value, f"hidden by {', '.join(ways)}: {'; '.join(sentences)}")


def _answered(session: ProbeSession, x: Inputs) -> Iterator[tuple[Inputs, np.ndarray]]:
    """The call with its answer, or nothing."""
    try:
        yield x, session(x)
    except CallFailed as failure:
        if failure.outcome not in REFUSALS:
            raise


def _where(hows: set[str], ways: list[str]) -> str:
    if not hows:
        return "stay there"
    return "spread" if hows == set(ways) else f"spread by {', '.join(how for how in ways if how in hows)}"


def _hiding(session: ProbeSession, dtype: str) -> Iterator[tuple[str, Inputs]]:
    """The first or the last keys hidden from all, once among few keys and once among many."""
    for keys in (6, 130):
        given: dict[str, Options] = {
            "mask": {"mask": _all_but_ends},
            "bias": {"bias": lambda p: minus_infinity(_all_but_ends(p))},
        }
        given["key_lengths"] = {"key_lengths": lambda p: tuple(p.key_length - 1 - n for n in range(p.batch))}
        given |= {"is_causal": {"is_causal": True}, "window": {"window": (2, 0)}}
        for how, options in given.items():
            if session.asks(how):
                yield how, session.x(queries=5, keys=keys, dtype=dtype, **options)


def _all_but_ends(p: CallProblem) -> masks.Mask:
    return masks.block(2, p.key_length - 1)


def _hidden(x: Inputs) -> np.ndarray:
    """Bool [B, Hkv, Lk, 1]: keys that no query of the group sees."""
    hidden: np.ndarray = np.logical_not(x.visible().reshape(*x.k.shape[:2], -1, x.k.shape[2]).any(2))
    return hidden[..., None]


def _spreads(session: ProbeSession, x: Inputs, out: np.ndarray, name: str) -> bool:
    """Whether something bad in hidden keys, or values, shows in the answer."""
    for garbage in GARBAGE.values():
        dirty = {a: np.where(_hidden(x), garbage, getattr(x, a)).astype(x.q.dtype) for a in name[0]}
        got = session(x.replace(**dirty))
        if not (np.isfinite(got).all() if session.varies else identical(got, out).holds):
            return True
    return False


SIZES: tuple[Sizes, ...] = ({"heads": 4}, {"heads": 1}, {"batch": 1, "heads": 1, "queries": 1, "keys": 2, "dim": 2})
"""Sizes of 1 too, which broadcast where others fail."""


@experiment()
def checks_shapes(session: ProbeSession) -> Observation:
    """Sizes that do not fit together: refused, or answered with something."""
    misfit_calls = [(x, *call) for x in (session.x(**sizes) for sizes in SIZES) for call in misfits(x)]
    wrong = [(name, y) for x, name, y in misfit_calls if y.mask is x.mask or session.takes("mask")]
    answered = [name for name, x in wrong if not _refused(session, x)]
    result = f"{quantity(len(answered), 'is', 'are')} not refused, first {answered[0]}" if answered else "all refused"
    return Observation("checks_shapes", not answered, f"{len(wrong)} calls of sizes that do not fit: {result}")


def _refused(session: ProbeSession, x: Inputs) -> bool:
    """Whether the call is refused; a crash is no refusal."""
    try:
        return bool(session.under_test.refusal(session.to_call(x)))
    except CallFailed:
        return False
