"""What the options of a call mean: causality, windows, softcap, bias, log-sum-exp."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.isolation import REFUSALS, Trouble
from harness.probing.experiments import Found, experiment
from harness.probing.lab import Lab
from specs import masks
from specs.judge import within

LENGTHS = ((3, 7), (7, 3), (1, 5))
"""Queries and keys: fewer, more, and one query as in decoding."""


@experiment()
def causal_alignment(lab: Lab) -> Found:
    """is_causal with fewer and with more queries than keys; rows that see nothing are left to another experiment."""
    if not lab.takes("is_causal"):
        return Found("causal_alignment", None, "is_causal is not in its signature: written out as a mask")
    sides = {f"{lq} queries, {lk} keys": lab.fitting(*_aligned(lab, lq, lk)) for lq, lk in LENGTHS}
    values = set(sides.values())
    value = values.pop() if len(values) == 1 else None
    lab.bottom_right = value == "bottom-right"
    told = value or "; ".join(f"{lengths}: {side or 'no reading fits'}" for lengths, side in sides.items())
    return Found(
        "causal_alignment",
        None if value == "not causal" else value,
        f"is_causal with more keys than queries, with fewer, and with one query: {told}",
    )


def _aligned(lab: Lab, queries: int, keys: int) -> tuple[Any, dict[str, Any]]:
    x = lab.x(queries=queries, keys=keys, is_causal=True)
    y = x.replace(is_causal=False)
    shifted = masks.window(None, keys - queries).dense(*x.score_shape)
    return x, {"top-left": x, "bottom-right": y.replace(mask=shifted), "not causal": y}


@experiment("mask", "is_causal")
def mask_with_causal(lab: Lab) -> Found:
    """Both at once, where neither leaves a query without keys."""
    x = lab.x(mask=masks.hidden_key(1), is_causal=True)
    y, tri = x.replace(is_causal=False), np.tri(6, dtype=bool)
    readings = {"and": x, "the mask alone": y, "causality alone": x.replace(mask=None), "or": y.replace(mask=x.mask | tri)}
    try:
        value = lab.fitting(x, readings)
    except Trouble as trouble:
        if trouble.outcome not in REFUSALS:
            raise
        value = "an error"
    return Found("mask with is_causal", value, f"key 1 masked beside is_causal: {value or 'no reading fits'}", "fixed", "and")


@experiment("window")
def window(lab: Lab) -> Found:
    """window=(3, 1), where the edges may count the query's own place or not."""
    x = lab.x(queries=9, keys=9, window=(3, 1))
    names = {"left and right beside its place": (3, 1), "left with its place": (2, 1), "both with its place": (2, 0)}
    readings = {name: x.replace(window=edges) for name, edges in names.items()} | {"nothing": x.replace(window=None)}
    value = lab.fitting(x, readings)
    return Found("window", value, f"window=(3, 1) on 9 keys: {value or 'no reading fits'}", "fixed", next(iter(names)))


@experiment("softcap")
def softcap(lab: Lab) -> Found:
    """A cap beside a bias, or beside a mask: capped first, or last."""
    noise = np.random.default_rng(lab.seed).standard_normal((6, 6))
    x = lab.x(recipe="steep", softcap=2.0)
    x = x.replace(bias=(2 * noise).astype(x.q.dtype)) if lab.takes("bias") else x
    readings = {"before the bias": x, "after the bias": _capped_last(lab, x), "no cap": x.replace(softcap=None)}
    value = lab.fitting(x, readings)
    return Found("softcap", value, f"softcap=2 beside a bias: {value or 'no reading fits'}", "fixed", "before the bias")


def _capped_last(lab: Lab, x: Any) -> Any:
    """The same numbers as a bias on uncapped scores."""
    scores = lab.expected(x).exact.scaled
    total = scores + (0 if x.bias is None else x.bias.astype(scores.dtype))
    return x.replace(softcap=None, bias=x.softcap * np.tanh(total / x.softcap) - scores)


@experiment("bias")
def bias(lab: Lab) -> Found:
    """A bias of noise: added, or taken for something else."""
    x = lab.x()
    x = x.replace(bias=np.random.default_rng(lab.seed).standard_normal((6, 6)).astype(x.q.dtype))
    before = x.replace(bias=(x.bias.astype(np.float64) * (lab.scale or x.q.shape[3] ** -0.5)))
    readings = {
        "added to the scaled scores": x,
        "added before scaling": before,
        "as a mask": x.replace(bias=None, mask=x.bias > 0),
    }
    readings |= {"nothing": x.replace(bias=None)}
    value = lab.fitting(x, readings)
    return Found("bias", value, f"a bias of noise: {value or 'no reading fits'}", "fixed", "added to the scaled scores")


@experiment("return_lse")
def lse_base(lab: Lab) -> Found:
    """The returned log-sum-exp against the logarithm in either base."""
    x = lab.x()
    got = lab.subject.extra(lab.told(x), "lse")
    wanted = {base: lab.expected(x, lse_base=base) for base in ("e", "2")}
    fits = [base for base, expected in wanted.items() if within(got, expected.lse, expected.lse_bound).holds]
    value = fits[0] if fits else None
    return Found("lse_base", value, f"return_lse: {f'the logarithm to base {value}' if value else 'neither base fits'}")
