"""The terms of all further calls: dtypes, layout, default scale, the order of heads, the sense of a mask."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from attention_harness.conformance.diagnosis.heads import key_heads_are_tiled
from attention_harness.conformance.diagnosis.options import the_mask_is_added
from attention_harness.errors import REFUSALS, CallFailed, Outcome
from attention_harness.probe.domain import Domain, learned
from attention_harness.probe.experiments import Observation, experiment
from attention_harness.probe.session import NOTHING, ProbeSession, UnaskableQuestion, by_value, quantity
from attention_specs import masks
from attention_specs.attention.inputs import Inputs
from attention_specs.contract import LAYOUTS, MASK_MEANINGS
from attention_specs.formats import DTYPES

DEATHS = 2
"""Crashes and time-outs after which no further plain call is tried."""


@experiment(layers=True)
def dtypes(session: ProbeSession) -> Iterator[Observation]:
    """A plain call in each dtype: answered in that dtype, perhaps under conditions, or refused."""
    plain = _PlainCalls(session)
    session.domains = learned(plain.answers, session.under_test.description.options)
    session.dtypes = tuple(dtype for dtype in DTYPES if dtype in session.domains)
    answered = f"a plain call in each: {', '.join(session.dtypes) or 'none'} answered"
    refusals = by_value({dtype: reply for dtype, reply in plain.replies.items() if dtype not in session.domains})
    refused = [f"{dtypes} {'give' if ',' in dtypes else 'gives'} {reply}" for dtypes, reply in refusals.items()]
    yield Observation("dtypes", session.dtypes or None, "; ".join([answered, *refused]), "dtypes")
    domains = {dtype: str(session.domains[dtype]) for dtype in session.dtypes}
    if any(domains.values()):
        first = next(dtype for dtype, conditions in domains.items() if conditions)
        value = domains[first] if len(set(domains.values())) == 1 else {dtype: it or "any" for dtype, it in domains.items()}
        yield Observation(
            "answered only with", value, f"all that follows is asked there; elsewhere: {plain.replies[first]}", "domain"
        )


class _PlainCalls:
    """Plain calls, and the first reply to those in each dtype."""

    def __init__(self, session: ProbeSession) -> None:
        self.session, self.deaths = session, 0
        self.replies: dict[str, str] = {}

    def answers(self, dtype: str, domain: Domain) -> bool:
        """Whether the call is answered, in its dtype. False for all once several have died."""
        if self.deaths >= DEATHS:
            return False
        reply = self._reply(dtype, domain)
        self.replies.setdefault(dtype, reply)
        return reply == dtype

    def _reply(self, dtype: str, domain: Domain) -> str:
        """The dtype of the answer, or the first line of the refusal."""
        session = ProbeSession(self.session.under_test, self.session.seed)
        session.domains[dtype] = domain
        session.under_test.forget()
        try:
            return str(session(session.inputs(dtype=dtype)).dtype.name)
        except CallFailed as failure:
            self.deaths += failure.outcome not in (*REFUSALS, Outcome.VIOLATES)
            return (str(failure).splitlines() or [failure.outcome])[0].rstrip(": ")
        except ValueError as error:  # no problem at all
            return str(error)


SCALES = {"1/sqrt(D)": 0.5, "1": 0.0, "1/D": 1.0, "D ** -0.25": 0.25, "sqrt(D)": -0.5}
"""Default scales, as -log(scale) / log(D)."""


def _scaled(x: Inputs) -> dict[str, Inputs]:
    if x.scale is not None:
        return {"as given": x}
    return {name: x.replace(scale=float(x.q.shape[3] ** -power)) for name, power in SCALES.items()}


AXES = {"bhld": (0, 1, 2, 3), "blhd": (0, 2, 1, 3)}
"""Layout -> the places of batch, heads, positions and dimensions."""


@experiment()
def layout(session: ProbeSession) -> Observation:
    """Two heads of three queries, or three heads of two: the answer shows it for each default scale."""
    x = session.x(queries=3, keys=3)
    size = f"{quantity(x.q.shape[1], 'head')} of {quantity(x.q.shape[2], 'position')}"
    fits = _layouts(session, x)
    if len(fits) > 1:
        raise UnaskableQuestion(f"{size} fit both layouts")
    if not fits:
        session.lost = True
        scales = ", ".join(SCALES)
        return Observation("plain call", NOTHING, f"{size}: fits neither layout with a scale of {scales}", "fixed", "attention")
    session.swapped = fits == ["blhd"]
    declared = session.under_test.description.layout  # the worker has exchanged the axes already, and taken the batch away
    if declared not in LAYOUTS:
        fitting = "differs from that" if session.swapped else declared
        return Observation("layout", fitting, f"{size}: as in the form {session.under_test.description.form}", "layout")
    positions_first = session.swapped is not (LAYOUTS[declared] == LAYOUTS["blhd"])
    order, numbers = ("blhd", "positions") if positions_first else ("bhld", "heads")
    order = order if "b" in declared else order.removeprefix("b")
    return Observation("layout", order, f"{size}: the second axis numbers {numbers}", "layout")


def _layouts(session: ProbeSession, x: Inputs) -> list[str]:
    """The layouts that fit the answer to a call without a scale, else to one with a scale."""
    given = [x, x.replace(scale=float(x.q.shape[3] ** -0.5))] if session.takes("scale") and x.scale is None else [x]
    answers = (
        [name for name, axes in AXES.items() if _fits_some_scale(session, y, out, axes)] for y, out in session.answers(given)
    )
    return next(filter(None, answers), [])


def _fits_some_scale(session: ProbeSession, x: Inputs, out: np.ndarray, axes: tuple[int, ...]) -> bool:
    arrays = {name: getattr(x, name).transpose(axes) for name in "qkv"}
    turned = x.replace(mask=None, **arrays)  # the mask of a plain call hides nothing
    return any(session.ratio(out.transpose(axes), y) <= 1 for y in _scaled(turned).values())


@experiment(title="default scale")
def default_scale(session: ProbeSession) -> Observation:
    """No scale given."""
    x = session.x()
    if x.scale is not None:
        raise UnaskableQuestion("only calls with a scale are answered")
    name = session.fitting(x, _scaled(x))
    if name != NOTHING:
        session.power = SCALES[name]
    elif session.takes("scale"):
        session.always["scale"] = 0.25
    meaning = f"fits none of {', '.join(SCALES)}" if name == NOTHING else f"scores are multiplied by {name}"
    return Observation("default scale", name, f"no scale given, D = {x.q.shape[3]}: {meaning}", "fixed", "1/sqrt(D)")


GROUPS = ((4, 2), (8, 4), (8, 2))
"""Query heads, and key heads that they share; the first pair that is answered decides."""


@experiment(title="key head of query head h")
def head_order(session: ProbeSession) -> Observation:
    """More query heads than key heads, and more than one of those."""
    calls = [session.x(heads=heads, key_heads=key_heads) for heads, key_heads in GROUPS]
    calls = [x for x in calls if x.group > 1 and x.k.shape[1] > 1]
    if not calls:
        raise UnaskableQuestion(f"plain calls are answered with {session.domains[session.dtype]}")
    x, _ = next(session.answers(calls))
    heads, key_heads = x.q.shape[1], x.k.shape[1]
    tiled = key_heads_are_tiled(x)
    assert tiled is not None
    value = session.fitting(x, {"h // group": x, "h % Hkv": tiled})
    reads = "fits neither order" if value == NOTHING else f"query head h reads key head {value}"
    called = f"{heads} query heads on {key_heads} key heads"
    return Observation("key head of query head h", value, f"{called}: {reads}", "fixed", "h // group")


@experiment("mask", layers=True, title="mask_means")
def mask_polarity(session: ProbeSession) -> Observation:
    """A mask that leaves some keys to each query, read in each sense. The worker turns it already as it is declared."""
    x = session.inputs(mask=masks.random(session.seed + 1, 0.5, "bhij") | masks.window(0, 0))
    assert x.mask is not None
    readings = {"attend": x, "do not attend": x.replace(mask=~x.mask), "nothing": x.replace(mask=None)}
    if isinstance(x, Inputs):
        readings["one is added to the score"] = the_mask_is_added(x) or x
    value = session.fitting(x, readings)
    session.inverted = value == "do not attend"
    if value not in ("attend", "do not attend"):
        session.off |= {"mask"}
        means = "fits no sense of True" if value == NOTHING else f"True means: {value}"
        return Observation("mask, True", value, f"half of the keys masked: {means}", "fixed", "attend")
    declared = session.under_test.description.mask_means
    meaning = declared if value == "attend" else next(one for one in MASK_MEANINGS if one != declared)
    return Observation("mask_means", meaning, f"half of the keys masked: where it is True, a key is {meaning}", "mask_means")
