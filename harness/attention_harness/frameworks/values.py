"""The values of an array of any framework. Nothing is imported for it, and no switch of a framework is set."""

from __future__ import annotations

from typing import Any

import numpy as np

from attention_specs.formats import FORMATS, is_foreign, numpy_dtype

FRAMEWORKS = {"numpy": "numpy", "torch": "torch", "jax": "jax", "jaxlib": "jax"}
"""Package -> the framework that its classes and functions belong to."""
ARRAYS = "an array of numpy, torch or jax"


def framework_of(array: object) -> str:
    """The framework of the array, by its class; "" for anything else."""
    return next(filter(None, (framework_of_module(kind.__module__) for kind in type(array).__mro__)), "")


def framework_of_module(name: str) -> str:
    """The framework that a module of this name belongs to; "" for any other."""
    return FRAMEWORKS.get(name.partition(".")[0], "")


def values(array: Any, what: str = "array") -> np.ndarray:
    """The values on the CPU, bit for bit. ValueError, with the name `what`, for anything but an array that has values."""
    framework = framework_of(array)
    if not framework or isinstance(array, np.ma.MaskedArray):
        raise ValueError(f"{what}={type(array).__name__}, but should be {ARRAYS}")
    try:
        return of_torch(array) if framework == "torch" else np.asarray(array)
    except (TypeError, RuntimeError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(f"{what}={type(array).__name__} without values, but should be {ARRAYS}: {reason}") from error


def of_torch(tensor: Any) -> np.ndarray:
    """Those of a torch.Tensor on any device, with or without a gradient; a dtype that NumPy lacks comes as bytes."""
    import torch

    tensor = tensor.detach().cpu()
    name = str(tensor.dtype).removeprefix("torch.")
    if name in FORMATS and is_foreign(dtype := numpy_dtype(name)):
        return tensor.contiguous().view(getattr(torch, whole_numbers(dtype).name)).numpy().view(dtype)
    return tensor.numpy()


def whole_numbers(dtype: np.dtype) -> np.dtype:
    """Whole numbers of the same size, as which bytes of this dtype are handed over."""
    return np.dtype(f"int{8 * dtype.itemsize}")
