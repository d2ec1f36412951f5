"""Options that are right at some values, or within a range (C01, C14, C18, C23)."""

from __future__ import annotations

from typing import Any

import numpy as np

from attention_harness.audit.faults import fault
from attention_harness.audit.faults._parts import attention, given, softmax, staged

Array = np.ndarray


def _changed(q: Array, k: Array, v: Array, name: str, change: Any, **o: Any) -> Any:
    """Attention with another value of an option that is given."""
    return attention(q, k, v, **o | ({name: change(o[name])} if o.get(name) is not None else {}))


@fault("C01", only=("softcap", "scale"))
def a_softcap_is_the_nearest_of_four(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Kernels were built for the caps 1, 5, 30 and 50, and the nearest is taken."""
    return _changed(q, k, v, "softcap", lambda cap: min((1.0, 5.0, 30.0, 50.0), key=lambda own: abs(own - cap)), **o)


@fault("C01", only=("softcap", "scale"))
def a_softcap_is_a_whole_number(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The cap is an integer parameter of the kernel, at least 1."""
    return _changed(q, k, v, "softcap", lambda cap: float(max(int(cap), 1)), **o)


@fault("C23", only=("scale",))
def a_given_scale_is_a_power_of_two(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """It is applied by moving the exponent, so that the nearest power of two counts."""
    return _changed(q, k, v, "scale", lambda s: float(np.sign(s) * 2.0 ** np.round(np.log2(abs(s)))) if s else s, **o)


@fault("C23", only=("scale",))
def a_given_scale_has_two_decimals(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """It is printed into the source of a kernel with "%.2f"."""
    return _changed(q, k, v, "scale", lambda s: float(f"{s:.2f}"), **o)


@fault("C23", only=("scale",))
def a_negative_scale_counts_as_positive(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Queries and keys are each multiplied by sqrt(|scale|)."""
    return _changed(q, k, v, "scale", abs, **o)


@fault("C23", only=("scale",))
def a_scale_above_one_is_one(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """It is cut to what a sum of products is divided by."""
    return _changed(q, k, v, "scale", lambda s: min(s, 1.0), **o)


@fault("C18", "pytorch/torchtitan#2211", only=("sinks", "scale"))
def a_sink_leaves_the_keys_some_share(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The output is rescaled by exp(lse - lse with the sink), whose exponent is cut at -20."""

    def normalise(s: Array, sink: Any) -> tuple[Array, Array]:
        weights, lse = softmax(s, s.dtype.type(-np.inf))
        whole = np.logaddexp(lse, sink)
        return weights * np.exp(np.maximum(lse - whole, -20))[..., None], whole

    return staged(q, k, v, normalise=normalise, **o)


@fault("C18", only=("sinks", "scale"))
def sinks_end_at_ten(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Logits are cut at 10, beyond which exp overflows in float16."""
    return _changed(q, k, v, "sinks", lambda sinks: np.minimum(sinks, sinks.dtype.type(10)), **o)


def _windowed(q: Array, k: Array, v: Array, change: Any, **o: Any) -> Any:
    """Attention with another window, by a change of each of its bounded sides."""
    return _changed(q, k, v, "window", lambda window: tuple(side if side is None else change(side) for side in window), **o)


@fault("C14", only=("window", "scale"))
def sides_of_a_window_have_eight_bits(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A side is stored as side & 0xFF."""
    return _windowed(q, k, v, lambda side: side & 0xFF, **o)


@fault("C14", only=("window", "scale"))
def odd_sides_of_a_window_show_one_key_more(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Keys are visited in pairs."""
    return _windowed(q, k, v, lambda side: side + side % 2, **o)


@fault("C14", only=("window", "scale"))
def sides_of_a_wide_window_are_exchanged(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The kernel for windows of more than 16 keys on a side takes right before left."""
    wide = given(o, "window") and None not in o["window"] and max(o["window"]) > 16
    return attention(q, k, v, **o | ({"window": o["window"][::-1]} if wide else {}))
