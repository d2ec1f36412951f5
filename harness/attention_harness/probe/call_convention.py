"""The terms in which all else is asked: dtypes, layout, default scale, the order of heads, the sense of a mask."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from attention_harness.errors import REFUSALS, CallFailed
from attention_harness.probe.domain import Domain, learned
from attention_harness.probe.experiments import Observation, experiment
from attention_harness.probe.session import NOTHING, Lab, NotAsked, by_value, counted
from attention_specs import masks
from attention_specs.formats import DTYPES

DEATHS = 2
"""Crashes and time-outs after which no further plain call is tried."""


@experiment(layers=True)
def dtypes(lab: Lab) -> Iterator[Observation]:
    """A plain call in each dtype: answered in that dtype, perhaps under conditions, or refused."""
    plain = _Plain(lab)
    lab.domains = learned(plain.answers, lab.subject.description.options)
    lab.dtypes = tuple(dtype for dtype in DTYPES if dtype in lab.domains)
    answered = f"a plain call in each: {', '.join(lab.dtypes) or 'none'} answered"
    refused = by_value({dtype: said for dtype, said in plain.said.items() if dtype not in lab.domains})
    said = [f"{dtypes} {'give' if ',' in dtypes else 'gives'} {what}" for dtypes, what in refused.items()]
    yield Observation("dtypes", lab.dtypes or None, "; ".join([answered, *said]), "dtypes")
    inside = {dtype: str(lab.domains[dtype]) for dtype in lab.dtypes}
    if any(inside.values()):
        first = next(dtype for dtype, conditions in inside.items() if conditions)
        value = inside[first] if len(set(inside.values())) == 1 else {dtype: it or "any" for dtype, it in inside.items()}
        yield Observation(
            "answered only with", value, f"all that follows is asked there; elsewhere: {plain.said[first]}", "domain"
        )


class _Plain:
    """Plain calls, and what was said first to those in each dtype."""

    def __init__(self, lab: Lab) -> None:
        self.lab, self.deaths = lab, 0
        self.said: dict[str, str] = {}

    def answers(self, dtype: str, domain: Domain) -> bool:
        """Whether the call is answered, in its dtype. None is, once several have died."""
        if self.deaths >= DEATHS:
            return False
        said = self._said(dtype, domain)
        self.said.setdefault(dtype, said)
        return said == dtype

    def _said(self, dtype: str, domain: Domain) -> str:
        """The dtype of the answer, or the first line of the refusal."""
        lab = Lab(self.lab.subject, self.lab.seed)
        lab.domains[dtype] = domain
        lab.subject.forget()
        try:
            return str(lab(lab.x(dtype=dtype)).dtype.name)
        except CallFailed as trouble:
            self.deaths += trouble.outcome not in (*REFUSALS, "violates")
            return (str(trouble).splitlines() or [trouble.outcome])[0].rstrip(": ")
        except ValueError as error:  # no problem at all
            return str(error)


SCALES = {"1/sqrt(D)": 0.5, "1": 0.0, "1/D": 1.0, "D ** -0.25": 0.25, "sqrt(D)": -0.5}
"""What a default scale may be, as -log(scale) / log(D)."""


def _scaled(x: Any) -> dict[str, Any]:
    if x.scale is not None:
        return {"as given": x}
    return {name: x.replace(scale=float(x.q.shape[3] ** -power)) for name, power in SCALES.items()}


AXES = {"bhld": (0, 1, 2, 3), "blhd": (0, 2, 1, 3)}
"""Where batch, heads, positions and dimensions stand."""


@experiment()
def layout(lab: Lab) -> Observation:
    """Two heads of three queries, or three heads of two: the answer tells, whatever the default scale."""
    x = lab.x(queries=3, keys=3)
    size = f"{counted(x.q.shape[1], 'head')} of {counted(x.q.shape[2], 'position')}"
    fits = _layouts(lab, x)
    if len(fits) > 1:
        raise NotAsked(f"{size} do not tell the layouts apart")
    if not fits:
        lab.lost = True
        scales = ", ".join(SCALES)
        return Observation("plain call", NOTHING, f"{size}: fits neither layout with a scale of {scales}", "fixed", "attention")
    lab.swapped = fits == ["blhd"]
    turned = lab.subject.description.layout == "blhd"  # the worker has exchanged the axes already
    found, numbers = ("blhd", "positions") if lab.swapped is not turned else ("bhld", "heads")
    return Observation("layout", found, f"{size}: the second axis numbers {numbers}", "layout")


def _layouts(lab: Lab, x: Any) -> list[str]:
    """Those that the answer fits, to a call without a scale, else to one with a scale."""
    given = [x, x.replace(scale=float(x.q.shape[3] ** -0.5))] if lab.takes("scale") and x.scale is None else [x]
    answers = ([name for name, axes in AXES.items() if _fits_some_scale(lab, y, out, axes)] for y, out in lab.answers(given))
    return next(filter(None, answers), [])


def _fits_some_scale(lab: Lab, x: Any, out: np.ndarray, axes: tuple[int, ...]) -> bool:
    arrays = {name: getattr(x, name).transpose(axes) for name in "qkv"}
    turned = x.replace(mask=None, **arrays)  # the mask of a plain call hides nothing
    return any(lab.ratio(out.transpose(axes), y) <= 1 for y in _scaled(turned).values())


@experiment(title="default scale")
def default_scale(lab: Lab) -> Observation:
    """No scale given."""
    x = lab.x()
    if x.scale is not None:
        raise NotAsked("only calls with a scale are answered")
    name = lab.fitting(x, _scaled(x))
    if name != NOTHING:
        lab.power = SCALES[name]
    elif lab.takes("scale"):
        lab.always["scale"] = 0.25
    told = f"fits none of {', '.join(SCALES)}" if name == NOTHING else f"scores are multiplied by {name}"
    return Observation("default scale", name, f"no scale given, D = {x.q.shape[3]}: {told}", "fixed", "1/sqrt(D)")


GROUPS = ((4, 2), (8, 4), (8, 2))
"""Query heads, and key heads that they share: the first that is answered tells."""


@experiment(title="key head of query head h")
def head_order(lab: Lab) -> Observation:
    """More query heads than key heads, and more than one of those."""
    calls = [lab.x(heads=heads, key_heads=key_heads) for heads, key_heads in GROUPS]
    calls = [x for x in calls if x.group > 1 and x.k.shape[1] > 1]
    if not calls:
        raise NotAsked(f"plain calls are answered with {lab.domains[lab.dtype]}")
    x, _ = next(lab.answers(calls))
    heads, key_heads = x.q.shape[1], x.k.shape[1]
    tiled = x.replace(**{name: np.tile(getattr(x, name), (1, x.group, 1, 1)) for name in "kv"})
    value = lab.fitting(x, {"h // group": x, "h % Hkv": tiled})
    reads = "fits neither order" if value == NOTHING else f"query head h reads key head {value}"
    called = f"{heads} query heads on {key_heads} key heads"
    return Observation("key head of query head h", value, f"{called}: {reads}", "fixed", "h // group")


@experiment("mask", layers=True, title="mask, True")
def mask_polarity(lab: Lab) -> Observation:
    """A mask that leaves some keys to each query, read in each sense."""
    x = lab.x(mask=masks.random(lab.seed + 1, 0.5, "bhij") | masks.window(0, 0))
    readings = {"attend": x, "do not attend": x.replace(mask=~x.mask), "nothing": x.replace(mask=None)}
    if not lab.layer:
        readings["one is added to the score"] = x.replace(mask=None, bias=x.mask.astype(x.q.dtype))
    value = lab.fitting(x, readings)
    lab.inverted = value == "do not attend"
    lab.off |= set() if value in ("attend", "do not attend") else {"mask"}
    means = "fits no sense of True" if value == NOTHING else f"True means: {value}"
    return Observation("mask, True", value, f"half of the keys masked: {means}", "fixed", "attend")
