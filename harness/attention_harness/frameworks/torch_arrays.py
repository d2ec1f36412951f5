"""torch's verbs. Its precision switches are set when this is imported."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import torch

from attention_harness.frameworks.switches import set_precise
from attention_harness.frameworks.values import of_torch, whole_numbers
from attention_specs.formats import is_foreign

warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
set_precise("torch")

COMPILES = False


ALIGNMENT = 16
"""Bytes of the widest load on CUDA: kernels may depend on the distance of a tensor from a multiple of them."""


def from_numpy(array: np.ndarray, device: str) -> torch.Tensor:
    """Shares the memory and the strides; negative strides, which torch lacks, become a copy; a dtype that NumPy lacks goes as bytes."""
    if any(stride < 0 for stride in array.strides):
        array = array.copy()
    if is_foreign(array.dtype):
        return _placed(torch.from_numpy(array.view(whole_numbers(array.dtype))), device).view(getattr(torch, array.dtype.name))
    return _placed(torch.from_numpy(array), device)


def _placed(tensor: torch.Tensor, device: str) -> torch.Tensor:
    """The tensor on the device, with its strides and its place within a load; `to` keeps neither stride 0, nor gaps, nor the place."""
    if device == "cpu" or not tensor.numel():
        return tensor.to(device)
    span = 1 + sum((length - 1) * stride for length, stride in zip(tensor.shape, tensor.stride(), strict=True))
    start = tensor.data_ptr() % ALIGNMENT // tensor.element_size()
    memory = torch.empty(start + span, dtype=tensor.dtype, device=device)
    memory[start:] = tensor.as_strided((span,), (1,)).to(device)
    return memory.as_strided(tensor.shape, tensor.stride(), start)


def to_numpy(array: object) -> np.ndarray:
    """The tensor's values, on the CPU; TypeError for anything but a tensor."""
    if not isinstance(array, torch.Tensor):
        raise TypeError(f"output={type(array).__name__}, but should be torch.Tensor")
    return of_torch(array)


def wait(array: object) -> None:
    """CUDA computes behind the caller's back; the CPU does not."""
    tensors = array.values() if isinstance(array, dict) else array if isinstance(array, tuple) else (array,)
    if any(isinstance(one, torch.Tensor) and one.is_cuda for one in tensors):
        torch.cuda.synchronize()


def gradient(
    function: Callable[..., torch.Tensor],
    arrays: dict[str, torch.Tensor],
    options: dict[str, Any],
    wrt: Sequence[str],
    dout: torch.Tensor,
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """By autograd, to leaves that are the given tensors, with their memory and strides."""
    given = arrays | options
    leaves = {name: given[name].requires_grad_() for name in wrt}
    out = function(*arrays.values(), **options)
    if not out.requires_grad:
        return out, {name: torch.zeros_like(leaf) for name, leaf in leaves.items()}
    gradients = torch.autograd.grad(out, list(leaves.values()), dout, allow_unused=True)
    pairs = zip(leaves.items(), gradients, strict=True)
    return out.detach(), {name: torch.zeros_like(leaf) if one is None else one for (name, leaf), one in pairs}


def operator_complaint(operator: object, arrays: Sequence[object], options: dict[str, object]) -> str:
    """What torch.library.opcheck says of the operator on this call, the first line of each of its tests that fails; "" for nothing.

    It looks at the schema, the registration of autograd, the fake implementation and ahead-of-time compilation.
    """
    overload = cast(torch._ops.OpOverload, operator)
    results: dict[str, object] = {**torch.library.opcheck(overload, tuple(arrays), options, raise_exception=False)}
    return "; ".join(f"{name}: {_reason(error)}" for name, error in results.items() if isinstance(error, Exception))


def _reason(error: Exception) -> str:
    """The first line of the exception that is behind that of the test."""
    while isinstance(error.__cause__, Exception):
        error = error.__cause__
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"


def compiled(step: Callable[..., object], options: dict[str, object]) -> Callable[..., object]:
    """As it is: nothing is compiled."""
    return step


def forget_programs() -> None:
    """Nothing is compiled."""


def device_peak(call: Callable[[], object]) -> float:
    """By CUDA's caching allocator, exactly; memory that a library takes past it does not count."""
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    call()
    torch.cuda.synchronize()
    return float(torch.cuda.max_memory_allocated() - before)


def version() -> str:
    """torch's version, with its build."""
    return str(torch.__version__)


def missing(device: str) -> str:
    """CUDA needs a build and a device."""
    if device == "cpu" or torch.cuda.is_available():
        return ""
    return (
        "no CUDA device was found"
        if torch.version.cuda
        else f"torch {torch.__version__} is built without CUDA, and no device was found"
    )
