"""A framework is a handful of verbs: from_numpy, to_numpy, wait, gradient, compiled, forget_programs, device_peak, version, missing.

Each framework is one module here, `<framework>_arrays`, imported only in the worker process that needs it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Protocol, Self

import numpy as np

RUNTIMES = (
    "onnxruntime", "openvino", "keras", "flax", "equinox", "transformers", "mlx", "triton", "x_transformers", "tinygrad",
)  # fmt: skip
"""Libraries that are no framework here and that implementations compute with: each is an extra, `[runtimes]` has all."""

EXTRAS = ("torch", "jax", "ray", "onnx", *RUNTIMES)
INSTALL = {name: f"python -m pip install -c constraints.txt -e '.[{name.replace('_', '-')}]'" for name in EXTRAS}

DEVICES = {"numpy": ("cpu",), "torch": ("cpu", "cuda"), "jax": ("cpu", "cuda", "gpu", "rocm", "tpu")}
"""Framework -> the devices that its arrays can be made on."""

NAMES = tuple(DEVICES)
"""The frameworks with verbs."""


class Array(Protocol):
    """An array of any framework, as far as all frameworks agree on its operators."""

    def __matmul__(self, other: Self, /) -> Self: ...

    def __neg__(self) -> Self: ...


class Framework(Protocol):
    """The verbs. Arrays cross bit for bit, bfloat16 included."""

    COMPILES: bool
    """Whether each new shape or set of options costs a compilation."""

    def from_numpy(self, array: np.ndarray, device: str) -> Array:
        """The array as one of the framework's own, with its strides where the framework has such strides."""

    def to_numpy(self, array: object) -> np.ndarray:
        """The framework's array as NumPy's; TypeError if it is not one of the framework's."""

    def wait(self, array: object) -> None:
        """Returns when the array has been computed."""

    def gradient(
        self,
        function: Callable[..., object],
        arrays: dict[str, object],
        options: dict[str, object],
        wrt: Sequence[str],
        dout: object,
    ) -> tuple[object, dict[str, object]]:
        """The output, and by name the gradient of sum(dout * output) to each of the arrays and options that `wrt` names.

        `arrays` are positional. Where the output does not depend on an argument, zeros. NotImplementedError without a way to differentiate.
        """

    def compiled(self, step: Callable[..., object], options: dict[str, object]) -> Callable[..., object]:
        """The function as one would call it in a loop with such options: compiled where the framework compiles."""

    def forget_programs(self) -> None:
        """Gives back the memory of what was compiled; a later call compiles again."""

    def device_peak(self, call: Callable[[], object]) -> float:
        """Bytes that the call takes on another device than the CPU, above those before it; NaN where the framework does not say."""

    def version(self) -> str:
        """Version of the framework."""

    def missing(self, device: str) -> str:
        """Why the device cannot be used here, or nothing."""


def installed(framework: str) -> str:
    """Why the framework cannot be imported here, with the way to get it, or nothing."""
    if find_spec(framework):
        return ""
    return f"{framework} is not installed: {INSTALL.get(framework, f'python -m pip install {framework}')}"


def load(framework: str) -> Framework:
    """Imports the framework's verbs; ValueError for a framework that has none."""
    module = f"attention_harness.frameworks.{framework}_arrays"
    if not find_spec(module):
        raise ValueError(f"framework={framework}, but should be one of {', '.join(NAMES)}")
    return import_module(module)


def gradient(
    framework: Framework,
    function: Callable[..., object],
    arrays: dict[str, object],
    options: dict[str, object],
    wrt: Sequence[str],
    dout: object,
) -> tuple[object, dict[str, object]]:
    """As the framework differentiates, but of a function with an attribute `backward` by `backward(arrays, options, wrt, dout)`.

    That gives the gradients by name. "out" may be among them: the output that is computed on the way, where it is another
    than that of a plain call.
    """
    backward = getattr(function, "backward", None)
    if backward is None:
        return framework.gradient(function, arrays, options, wrt, dout)
    gradients = backward(arrays, options, wrt, dout)
    if not isinstance(gradients, Mapping):
        raise TypeError(f"gradients={type(gradients).__name__}, but should be a dictionary: dq under 'q', and so on")
    if not gradients.keys() >= set(wrt):
        raise TypeError(f"gradients={', '.join(gradients) or 'none'}, but should be those of {', '.join(wrt)}")
    out = gradients["out"] if "out" in gradients else function(*arrays.values(), **options)
    return out, {name: gradients[name] for name in wrt}


def lost_its_device(error: Exception) -> bool:
    """Whether every later call of this process would fail, too: CUDA's errors of kernels stay (CUDA programming guide, "Error
    Checking"). torch raises them as AcceleratorError, before 2.8 as RuntimeError; XLA spells the code.
    """
    return type(error).__name__ == "AcceleratorError" or re.search("CUDA error: |CUDA_ERROR_", str(error)) is not None
