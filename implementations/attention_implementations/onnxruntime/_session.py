"""A session of ONNX Runtime for each model, on one thread of the CPU. What it refuses is NotImplementedError."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
import onnxruntime

from attention_implementations.onnx._model import Run

ERRORS = onnxruntime.capi.onnxruntime_pybind11_state
REFUSALS = (ERRORS.NotImplemented, ERRORS.InvalidArgument)


@cache
def load(serialised: bytes) -> Run:
    """The model as a function."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(serialised, options, providers=["CPUExecutionProvider"])
    except (*REFUSALS, ERRORS.Fail) as error:
        raise NotImplementedError(f"model={error}, but should be one that ONNX Runtime loads") from error

    def run(feeds: Mapping[str, np.ndarray]) -> np.ndarray:
        try:
            return np.asarray(session.run(["out0"], {name: np.ascontiguousarray(a) for name, a in feeds.items()})[0])
        except REFUSALS as error:
            raise NotImplementedError(f"call={error}, but should be one that ONNX Runtime takes") from error

    return run


def require_elements(*arrays: np.ndarray) -> None:
    """NotImplementedError for arrays without elements: zero heads end the process with a signal (onnxruntime 1.30.0)."""
    if not all(a.size for a in arrays):
        raise NotImplementedError(f"shapes={[a.shape for a in arrays]}, but should have elements: finding onnxruntime-zero-heads")
