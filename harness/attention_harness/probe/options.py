"""What the options of a call mean: a mask beside causality, softcap, bias, log-sum-exp."""

from __future__ import annotations

from typing import Any

import numpy as np

from attention_harness.errors import CallFailed
from attention_harness.probe.experiments import Observation, experiment
from attention_harness.probe.session import NOTHING, Lab, NotAsked
from attention_specs import masks
from attention_specs.biases import noise
from attention_specs.judge import within


def _meaning(value: str) -> str:
    return "no reading fits" if value == NOTHING else value


@experiment("mask", "is_causal", title="mask with is_causal")
def mask_with_causal(lab: Lab) -> Observation:
    """Both at once, where neither leaves a query without keys."""
    if not lab.asks("mask", "is_causal"):
        raise NotAsked("one of them alone means something else")
    x = lab.x(mask=masks.hidden_key(1), is_causal=True)
    y = x.replace(is_causal=False)
    causal = masks.window(None, x.causal_shift).dense(*x.score_shape)
    readings = {"and": x, "the mask alone": y, "causality alone": x.replace(mask=None), "or": y.replace(mask=x.mask | causal)}
    try:
        value = lab.fitting(x, readings)
    except CallFailed as trouble:
        if trouble.outcome != "errored":
            raise
        value = "an error"
    return Observation("mask with is_causal", value, f"key 1 masked beside is_causal: {_meaning(value)}", "fixed", "and")


@experiment("softcap")
def softcap(lab: Lab) -> Observation:
    """A cap, beside a bias or a mask where there is one: capped first, or last."""
    beside = next((name for name in ("bias", "mask") if lab.takes(name)), "")
    given: Any = {"bias": {"bias": noise(lab.seed, 2.0, "hij")}, "mask": {"mask": masks.hidden_key(1)}, "": {}}[beside]
    x = lab.x(recipe="steep", softcap=2.0, **given)
    first = f"before the {beside}" if beside else "capped"
    readings = {first: x, "no cap": x.replace(softcap=None)} | ({f"after the {beside}": _capped_last(lab, x)} if beside else {})
    value = lab.fitting(x, readings)
    lab.off |= set() if value == first else {"softcap"}
    what = f"softcap=2 beside a {beside}" if beside else "softcap=2"
    return Observation("softcap", value, f"{what}: {_meaning(value)}", "fixed", first)


def _capped_last(lab: Lab, x: Any) -> Any:
    """The same numbers as a bias on uncapped scores. A masked score is capped to -softcap, and seen."""
    scores = lab.expected(x.replace(mask=None)).exact.scaled
    total = scores + (0 if x.bias is None else x.bias.astype(scores.dtype))
    total = total if x.mask is None else np.where(x.mask, total, -np.inf)
    return x.replace(softcap=None, mask=None, bias=x.softcap * np.tanh(total / x.softcap) - scores)


ADDED = "added to the scaled scores"


@experiment("bias")
def bias(lab: Lab) -> Observation:
    """A bias of noise: added, or taken for something else."""
    x = lab.x(bias=noise(lab.seed, 2.0, "hij"))
    scale = float(x.q.shape[3] ** -lab.power) if x.scale is None else x.scale
    readings = {ADDED: x, "nothing": x.replace(bias=None)}
    if scale != 1:
        readings["added before scaling"] = x.replace(bias=x.bias.astype(np.float64) * scale)
    hidden = x.bias > 0 if x.mask is None else x.mask & (x.bias > 0)
    readings["as a mask"] = x.replace(bias=None, mask=hidden)
    value = lab.fitting(x, readings)
    lab.off |= set() if value == ADDED else {"bias"}
    return Observation("bias", value, f"a bias of noise: {_meaning(value)}", "fixed", ADDED)


@experiment("return_lse")
def lse_base(lab: Lab) -> Observation:
    """The returned log-sum-exp against the logarithm in either base."""
    x = lab.x()
    if lab.swapped:  # then heads and positions are exchanged in the arrays, and not in the lse: as many of both
        x = lab.x(heads=x.score_shape[2])
    got = lab.subject.extra(lab.told(x), "lse")
    wanted = {base: lab.expected(x, lse_base=base) for base in ("e", "2")}
    fits = [base for base, expected in wanted.items() if within(got, expected.lse, expected.lse_bound).holds]
    value = fits[0] if fits else NOTHING
    return Observation("lse_base", value, f"return_lse: {f'the logarithm to base {value}' if fits else 'neither base fits'}")
