"""What runtimes of ONNX share: a model of one node, kept for calls of the same form, and what it is fed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

import numpy as np
import onnx
from onnx import helper

OPSET = 23
"""The first with `Attention` (onnx 1.18)."""

Attributes = tuple[tuple[str, float | int], ...]
Run = Callable[[Mapping[str, np.ndarray]], np.ndarray]
"""What a loaded model does with arrays by name."""


@cache
def model(op: str, domain: str, inputs: tuple[tuple[str, str, int], ...], outputs: int, attributes: Attributes) -> bytes:
    """A model of this node. An input is its name, its dtype and its axes; axes of -1 stand for an input that is left out."""
    given = [(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), axes) for name, dtype, axes in inputs if axes >= 0]
    names = [name if axes >= 0 else "" for name, _, axes in inputs]
    results = [f"out{i}" for i in range(outputs)]
    node = helper.make_node(op, names, results, domain=domain, **dict(attributes))
    graph = helper.make_graph(
        [node],
        "attention",
        [helper.make_tensor_value_info(name, kind, [None] * axes) for name, kind, axes in given],
        [helper.make_tensor_value_info(name, given[0][1], None) for name in results],
    )
    imports = [helper.make_opsetid("", OPSET), *([helper.make_opsetid(domain, 1)] if domain else [])]
    return bytes(helper.make_model(graph, opset_imports=imports, ir_version=10).SerializeToString())


def run(
    load: Callable[[bytes], Run], op: str, domain: str, feeds: Mapping[str, np.ndarray | None], outputs: int,
    **attributes: float | int | None,
) -> np.ndarray:  # fmt: skip
    """The first output of the node for these inputs, by a runtime that loads a model; None is an input that is left out."""
    forms = [(name, "" if a is None else a.dtype.name, -1 if a is None else a.ndim) for name, a in feeds.items()]
    while forms and forms[-1][2] < 0:
        forms.pop()
    kept = tuple((name, value) for name, value in attributes.items() if value is not None)
    loaded = load(model(op, domain, tuple(forms), outputs, kept))
    return loaded({name: a for name, a in feeds.items() if a is not None})


def attention(
    load: Callable[[bytes], Run], q: np.ndarray, k: np.ndarray, v: np.ndarray, mask: np.ndarray | None, bias: np.ndarray | None,
    is_causal: bool, scale: float | None, softcap: float | None, past_k: np.ndarray | None, past_v: np.ndarray | None,
) -> np.ndarray:  # fmt: skip
    """The operator `Attention` (https://onnx.ai/onnx/operators/onnx__Attention.html), with four axes."""
    past = 0 if past_k is None else past_k.shape[2]
    feeds = {
        "Q": q, "K": k, "V": v, "attn_mask": whole(mask, bias, (q.shape[2], past + k.shape[2]), q.dtype),
        "past_key": past_k, "past_value": past_v,
    }  # fmt: skip
    if scale is None and not q.shape[3]:
        raise NotImplementedError("head_dim=0, but should be at least 1 where the scale is 1/sqrt(head_dim)")
    if scale is not None and scale < 0:
        raise NotImplementedError(f"scale={scale}, but should not be below 0: the operator scales q and k by its square root")
    if q.dtype == np.float64 and not all(value is None or value == np.float32(value) for value in (scale, softcap)):
        raise NotImplementedError(f"scale={scale}, softcap={softcap}, but attributes of ONNX are numbers of float32")
    causal = int(is_causal)
    return run(
        load,
        "Attention",
        "",
        feeds,
        3,
        is_causal=causal,
        scale=None if scale is None else float(scale),
        softcap=softcap and float(softcap),
    )


def whole(mask: np.ndarray | None, bias: np.ndarray | None, sizes: tuple[int, int], dtype: np.dtype) -> np.ndarray | None:
    """Mask and bias in one array with two axes at least, whose last two have these sizes: bool, or numbers with -inf where hidden.

    A mask of one row is written out for all (finding onnx-reference-one-query-row).
    """
    if bias is not None:
        joined = bias.astype(dtype) if mask is None else np.where(mask, bias.astype(dtype), dtype.type(-np.inf))
    elif mask is not None:
        joined = mask
    else:
        return None
    return np.ascontiguousarray(np.broadcast_to(joined, (*joined.shape[:-2], *sizes)))


def load_reference(serialised: bytes) -> Run:
    """The model in onnx's own evaluator."""
    return _reference(serialised)


@cache
def _reference(serialised: bytes) -> Run:
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(onnx.load_from_string(serialised))
    return lambda feeds: np.asarray(evaluator.run(None, dict(feeds))[0])
