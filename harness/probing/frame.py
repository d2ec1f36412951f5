"""The terms in which all else is asked: dtypes, layout, default scale, the order of heads, the sense of a mask."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.isolation import REFUSALS, Trouble
from harness.probing.experiments import Found, experiment
from harness.probing.lab import Lab
from specs import masks
from specs.dtypes import DTYPES


@experiment(layers=True)
def dtypes(lab: Lab) -> Found:
    """A plain call in each dtype: answered in that dtype, or refused."""
    said = {dtype: _said(lab, dtype) for dtype in DTYPES}
    lab.dtypes = tuple(dtype for dtype in DTYPES if said[dtype] == dtype)
    other = [f"{dtype} gives {what}" for dtype, what in said.items() if what != dtype]
    evidence = f"a plain call in each: {', '.join(lab.dtypes) or 'none'} answered" + "".join(f"; {what}" for what in other)
    return Found("dtypes", lab.dtypes or None, evidence, "dtypes")


def _said(lab: Lab, dtype: str) -> str:
    """The dtype of the answer, or the first line of the refusal."""
    try:
        return str(lab(lab.x(dtype=dtype)).dtype.name)
    except Trouble as trouble:
        return (str(trouble).splitlines() or [trouble.outcome])[0]


SCALES = {"1/sqrt(D)": 0.5, "1": 0.0, "1/D": 1.0, "D ** -0.25": 0.25, "sqrt(D)": -0.5}
"""What a default scale may be, as -log(scale) / log(D)."""


def _scaled(x: Any) -> dict[str, Any]:
    return {name: x.replace(scale=float(x.q.shape[3] ** -power)) for name, power in SCALES.items()}


LAYOUTS = {"bhld": (0, 1, 2, 3), "blhd": (0, 2, 1, 3)}
"""Where batch, heads, positions and dimensions stand."""


@experiment()
def layout(lab: Lab) -> Found:
    """Two heads of three queries, or three heads of two: the answer tells, whatever the default scale."""
    x = lab.x(queries=3, keys=3)
    out = lab(x.replace(scale=x.q.shape[3] ** -0.5) if lab.takes("scale") else x)
    fits = [name for name, axes in LAYOUTS.items() if _fits_some_scale(lab, x, out, axes)] if out.shape == x.q.shape else []
    lab.swapped = fits == ["blhd"]
    what = "positions" if lab.swapped else "heads"
    where = f"the second axis numbers {what}" if fits else "neither layout fits"
    return Found("layout", fits[0] if fits else None, f"2 heads of 3 positions: {where}", "fixed", "bhld")


def _fits_some_scale(lab: Lab, x: Any, out: np.ndarray, axes: tuple[int, ...]) -> bool:
    turned = x.replace(**{name: getattr(x, name).transpose(axes) for name in "qkv"})
    return any(lab.ratio(out.transpose(axes), y) <= 1 for y in _scaled(turned).values())


@experiment()
def default_scale(lab: Lab) -> Found:
    """No scale given."""
    x = lab.x()
    name = lab.fitting(x, _scaled(x))
    if name not in (None, "1/sqrt(D)"):
        lab.scale = float(x.q.shape[3] ** -SCALES[name or ""])
    told = f"scores are multiplied by {name}" if name else f"fits none of {', '.join(SCALES)}"
    return Found("default scale", name, f"no scale given, D = 16: {told}", "fixed", "1/sqrt(D)")


@experiment()
def head_order(lab: Lab) -> Found:
    """Four query heads on two key heads."""
    x = lab.x(heads=4, key_heads=2)
    readings = {"h // group": x, "h % Hkv": x.replace(**{n: np.tile(getattr(x, n), (1, 2, 1, 1)) for n in "kv"})}
    try:
        value = lab.fitting(x, readings)
    except Trouble as trouble:
        if trouble.outcome not in REFUSALS:
            raise
        return Found("key head of query head h", None, f"4 query heads on 2 key heads refused: {trouble}", "fixed")
    reads = f"query head h reads key head {value}" if value else "fits neither order"
    return Found("key head of query head h", value, f"4 query heads on 2 key heads: {reads}", "fixed", "h // group")


@experiment("mask", layers=True)
def mask_polarity(lab: Lab) -> Found:
    """A mask that leaves some keys to each query, read in each sense."""
    x = lab.x(mask=masks.random(lab.seed + 1, 0.5, "bhij") | masks.window(0, 0))
    readings = {"attend": x, "do not attend": x.replace(mask=~x.mask), "nothing": x.replace(mask=None)}
    if not lab.layer:
        readings["one is added to the score"] = x.replace(mask=None, bias=x.mask.astype(x.q.dtype))
    value = lab.fitting(x, readings)
    lab.inverted = value == "do not attend"
    means = f"True means: {value}" if value else "fits no sense of True"
    return Found("mask, True", value, f"half of the keys masked: {means}", "fixed", "attend")
