"""Meaning of the options of a call: a mask beside causality, softcap, bias, log-sum-exp."""

from __future__ import annotations

from attention_harness.conformance.diagnosis.options import capped_last, the_bias_is_scaled
from attention_harness.errors import CallFailed, Outcome
from attention_harness.probe.experiments import Observation, experiment
from attention_harness.probe.session import NOTHING, ProbeSession, UnaskableQuestion
from attention_harness.probe.terms import Options
from attention_specs import masks
from attention_specs.attention.oracle import default_scale
from attention_specs.biases import noise
from attention_specs.judge import within


def _meaning(value: str) -> str:
    return "no reading fits" if value == NOTHING else value


@experiment("mask", "is_causal", title="mask with is_causal")
def mask_with_causal(session: ProbeSession) -> Observation:
    """Both at once, where neither leaves a query without keys."""
    if not session.asks("mask", "is_causal"):
        raise UnaskableQuestion("one of them alone means something else")
    x = session.x(mask=masks.hidden_key(1), is_causal=True)
    assert x.mask is not None
    y = x.replace(is_causal=False)
    causal = y.replace(is_causal=True, mask=None).allowed()
    readings = {"and": x, "the mask alone": y, "causality alone": x.replace(mask=None), "or": y.replace(mask=x.mask | causal)}
    try:
        value = session.fitting(x, readings)
    except CallFailed as failure:
        if failure.outcome != Outcome.ERRORED:
            raise
        value = "an error"
    return Observation("mask with is_causal", value, f"key 1 masked beside is_causal: {_meaning(value)}", "fixed", "and")


@experiment("softcap")
def softcap(session: ProbeSession) -> Observation:
    """A cap, beside a bias or a mask where there is one: capped first, or last."""
    beside = next((name for name in ("bias", "mask") if session.takes(name)), "")
    given: dict[str, Options] = {"bias": {"bias": noise(session.seed, 2.0, "hij")}, "mask": {"mask": masks.hidden_key(1)}, "": {}}
    x = session.x(recipe="steep", **(given[beside] | {"softcap": 2.0}))
    first = f"before the {beside}" if beside else "capped"
    readings = {first: x, "no cap": x.replace(softcap=None)}
    if beside:
        readings[f"after the {beside}"] = capped_last(session.with_its_scale(x), masks_too=True)
    value = session.fitting(x, readings)
    session.off |= set() if value == first else {"softcap"}
    what = f"softcap=2 beside a {beside}" if beside else "softcap=2"
    return Observation("softcap", value, f"{what}: {_meaning(value)}", "fixed", first)


ADDED = "added to the scaled scores"


@experiment("bias")
def bias(session: ProbeSession) -> Observation:
    """A bias of noise: added, or read as something else."""
    x = session.x(bias=noise(session.seed, 2.0, "hij"))
    assert x.bias is not None
    readings = {ADDED: x, "nothing": x.replace(bias=None)}
    scaled = the_bias_is_scaled(session.with_its_scale(x))
    if scaled and default_scale(session.with_its_scale(x)) != 1:
        readings["added before scaling"] = scaled
    hidden = x.bias > 0 if x.mask is None else x.mask & (x.bias > 0)
    readings["as a mask"] = x.replace(bias=None, mask=hidden)
    value = session.fitting(x, readings)
    session.off |= set() if value == ADDED else {"bias"}
    return Observation("bias", value, f"a bias of noise: {_meaning(value)}", "fixed", ADDED)


@experiment("return_lse")
def lse_base(session: ProbeSession) -> Observation:
    """The returned log-sum-exp against the logarithm in either base."""
    x = session.x()
    if session.swapped:  # then heads and positions are exchanged in the arrays, and not in the lse: as many of both
        x = session.x(heads=x.score_shape[2])
    got = session.under_test.extra(session.to_call(x), "lse")
    wanted = {base: session.expected(x, lse_base=base) for base in ("e", "2")}
    fits = [base for base, expected in wanted.items() if within(got, expected.lse, expected.lse_bound).holds]
    value = fits[0] if fits else NOTHING
    return Observation("lse_base", value, f"return_lse: {f'the logarithm to base {value}' if fits else 'neither base fits'}")
