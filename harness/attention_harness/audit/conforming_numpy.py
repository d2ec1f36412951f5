"""The steps of an attention that does as it declares, in NumPy: float32, or float64 for float64."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from attention_harness.audit.faults import _backward
from attention_harness.audit.faults._parts import staged, value_product
from attention_harness.audit.meaning import Meant, filled, meant, safe
from attention_implementations.numpy._common import Result, per_query_head
from attention_implementations.numpy._common import joined as joined
from attention_specs.contract import Conventions

Array = np.ndarray
FRAMEWORK = "numpy"


def rules(o: Mapping[str, object]) -> dict[str, object]:
    """The options that hide keys; of a bias where it hides none."""
    return {**o, "bias": None if o.get("bias") is None else o["bias"] != -np.inf}


def answer(q: Array, k: Array, v: Array, meaning: Meant, conventions: Conventions, step: int, plain: dict[str, Any]) -> Result:
    """The attention with its arguments meant as declared. Values are summed from the last key on where the step is -1."""

    def product(weights: Array, values: Array) -> Array:
        ordered, used = weights[..., ::step], values[..., ::step, :]
        out = value_product(ordered, used) if safe(conventions, "values") else ordered @ used
        keys = np.isfinite(per_query_head(k, q.shape[1], values.dtype)).all((2, 3))[:, :, None, None]
        out = out if safe(conventions, "keys") else np.where(keys, out, np.nan)
        with np.errstate(all="ignore"):
            mean = values.sum(2, keepdims=True) / values.dtype.type(values.shape[2])
        return np.asarray(filled(np.where, out, mean, meaning.rows))

    result = staged(q, k, v, **plain, mask=meaning.seen, product=product)
    if plain.get("return_lse") and conventions.lse_base == "2":
        return (*result[:-1], (result[-1] / np.log(2)).astype(result[-1].dtype))
    return result


def backward(conventions: Conventions, layout: str) -> _backward.Backward:
    """The gradients, of arrays in the layout, in rows that see a key."""
    axes = (0, 2, 1, 3) if layout == "blhd" else (0, 1, 2, 3)

    def gradients(arrays: Mapping[str, Array], o: Mapping[str, Any], wrt: Sequence[str], dout: Array) -> dict[str, Array]:
        turned = {name: a.transpose(axes) for name, a in arrays.items()}
        shape = (*turned["q"].shape[:3], turned["k"].shape[2])
        seen = meant(shape, 0, rules(o), conventions, turned["q"].dtype.name).seen
        plain = {name: o[name] for name in ("bias", "scale", "softcap", "sinks") if name in o}
        with np.errstate(all="ignore"):
            results = _backward.backward(turned, {**plain, "mask": seen}, wrt, dout.transpose(axes))
        return {name: a.transpose(axes) if name in arrays else a for name, a in results.items()}

    return gradients
