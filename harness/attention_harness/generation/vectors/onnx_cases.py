"""The cases that the onnx package generates for backends of its operator Attention (opsets 23 to 25), as cases of ours.

Nobody here wrote them, and nothing of them is copied: they are generated where onnx is installed.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module, metadata

import numpy as np

from attention_harness.frameworks import installed
from attention_harness.generation.vectors import Vector
from attention_harness.generation.vectors.onnx_masks import masking
from attention_specs.attention.problem import Problem
from attention_specs.case import Case

SOURCE = "https://onnx.ai/onnx/operators/onnx__Attention.html"
PROPERTIES = ("onnx_vectors", "onnx_weights")
INPUTS = ("Q", "K", "V", "attn_mask", "past_key", "past_value", "nonpad_kv_seqlen")
OUTPUTS = ("Y", "present_key", "present_value", "qk_matmul_output")
AFTER_SOFTMAX = 3
"""The qk_matmul_output_mode whose fourth output is the weights; in the other modes it is a step on the way to them."""

EXPLAINED: dict[str, str] = {}
"""Name of a case whose published answer differs from our definition -> why. There is none in onnx 1.23.2."""


@dataclass(frozen=True, eq=False)
class OnnxCase:
    """One generated case: the attributes of the node, and its arrays by the names of the operator."""

    name: str
    opset: int
    attributes: dict[str, float]
    inputs: dict[str, np.ndarray]
    outputs: dict[str, np.ndarray]


def provenance() -> dict[str, object]:
    """The part of run.json about these vectors."""
    version = "" if installed("onnx") else metadata.version("onnx")
    return {"version": version, "cases": len(published()), "explained": EXPLAINED}


def vectors() -> list[Vector]:
    """All cases; none where onnx is not installed."""
    return [Vector(p.name, translated(p), PROPERTIES, f"opset {p.opset}", (), SOURCE) for p in published()]


@cache
def published() -> list[OnnxCase]:
    """The generated cases as they are, without the same cases in other operators."""
    return [] if installed("onnx") else list(_generated())


def _generated() -> Iterator[OnnxCase]:
    """Importing the one module generates its cases; the public way to collect them generates those of all operators."""
    state = np.random.get_state()  # noqa: NPY002 -- theirs is seeded there, and is put back
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import_module("onnx.backend.test.case.node.attention")
        values = import_module("onnx.helper").get_attribute_value
    np.random.set_state(state)  # noqa: NPY002
    for case in import_module("onnx.backend.test.case.node")._NodeTestCases:
        node = case.model.graph.node[0]
        if len(case.model.graph.node) == 1 and node.op_type == "Attention":
            inputs, outputs = case.data_sets[0]
            attributes = {a.name: values(a) for a in node.attribute}
            given = _by_name(INPUTS, node.input, inputs), _by_name(OUTPUTS, node.output, outputs)
            yield OnnxCase(case.name, case.model.opset_import[0].version, attributes, *given)


def _by_name(names: tuple[str, ...], present: Iterable[str], arrays: Iterable[np.ndarray]) -> dict[str, np.ndarray]:
    """A node names its arrays by place, with "" for one that it leaves out; `arrays` holds the others."""
    return dict(zip((name for name, given in zip(names, present, strict=False) if given), arrays, strict=True))


def translated(p: OnnxCase) -> Case:
    """The same question and answers in the terms of our spec."""
    q, k, v = heads_apart(p)
    past = p.inputs["past_key"].shape[2] if "past_key" in p.inputs else None
    options, hiding = masking(p.attributes, p.inputs, q.shape[2], k.shape[2])
    problem = Problem(
        q.shape[0], q.shape[1], k.shape[1], q.shape[2], k.shape[2], q.shape[3], v.shape[3], q.dtype.name,
        scale=p.attributes.get("scale"), softcap=p.attributes.get("softcap") or None, past=past, **options,
    )  # fmt: skip
    arrays = {"q": q, "k": k, "v": v, **hiding, **answers(p, problem)}
    return Case(problem, arrays={name: _listed(array) for name, array in arrays.items()})


def heads_apart(p: OnnxCase) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Queries, and the keys and values of the cache before the new ones, [B, H, L, D]."""
    q = _apart(p.inputs["Q"], p.attributes.get("q_num_heads"))
    k, v = (_apart(p.inputs[name], p.attributes.get("kv_num_heads")) for name in ("K", "V"))
    if "past_key" not in p.inputs:
        return q, k, v
    return q, np.concatenate([p.inputs["past_key"], k], 2), np.concatenate([p.inputs["past_value"], v], 2)


def _apart(a: np.ndarray, heads: float | None) -> np.ndarray:
    """[B, L, H * D] as [B, H, L, D]; four axes stay as they are."""
    return a if a.ndim == 4 else a.reshape(*a.shape[:2], int(heads or 1), -1).swapaxes(1, 2)


def answers(p: OnnxCase, problem: Problem) -> dict[str, np.ndarray]:
    """The output, and the weights where the case has them."""
    known = {"out": _apart(p.outputs["Y"], problem.query_heads)}
    mode = p.attributes.get("qk_matmul_output_mode", 0)
    return known | ({"weights": p.outputs["qk_matmul_output"]} if mode == AFTER_SOFTMAX else {})


def _listed(a: np.ndarray) -> object:
    """Nested lists; a value without a JSON number becomes a string."""
    if a.dtype == bool:
        return a.tolist()
    numbers = a.astype(np.float64)
    return np.where(np.isfinite(numbers), numbers.astype(object), numbers.astype(str)).tolist()
