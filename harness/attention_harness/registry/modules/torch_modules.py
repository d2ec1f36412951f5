"""Modules of torch."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import nn

from attention_harness.frameworks import torch_arrays
from attention_harness.registry.modules.kinds import Parameter

FRAMEWORK = "torch"
BATCHED = True


def mask_means(module: type) -> str:
    """True is visible, but for torch's own layer."""
    return "hidden" if issubclass(module, nn.MultiheadAttention) else "visible"


def own_arguments() -> Mapping[str, Callable[[], object]]:
    """None."""
    return {}


def parameters(module: nn.Module) -> dict[str, Parameter]:
    """Those of a Linear are [out, in], and `in_proj_weight` likewise."""
    named = dict(module.named_modules())

    def stored(name: str) -> str:
        owner = named[name.rpartition(".")[0]]
        return "out,in" if isinstance(owner, nn.Linear | nn.MultiheadAttention) else ""

    return {name: Parameter(tuple(one.shape), stored(name)) for name, one in module.named_parameters()}


def prepared(module: nn.Module, dtype: str, device: str) -> nn.Module:
    """Without dropout."""
    return copy.deepcopy(module).to(device=device, dtype=getattr(torch, dtype)).eval()


def with_values(module: nn.Module, values: Mapping[str, np.ndarray], device: str) -> Callable[..., object]:
    """Its own parameters get the values: no copy of the module is made for a call."""
    own = dict(module.named_parameters())
    for name, value in values.items():
        own[name].data = torch_arrays.from_numpy(np.ascontiguousarray(value), device)

    def call(*arrays: torch.Tensor, **options: object) -> object:
        with torch.no_grad():
            return module(*arrays, **options)

    return call


def batched(call: Callable[..., object]) -> Callable[..., object]:
    """One entry after another."""

    def each(**arguments: object) -> torch.Tensor:
        arrays = {name: value for name, value in arguments.items() if isinstance(value, torch.Tensor)}
        entries = range(len(next(iter(arrays.values()))))
        outs = [call(**arguments | {name: a[entry] for name, a in arrays.items()}) for entry in entries]
        return torch.stack([out for out in outs if isinstance(out, torch.Tensor)])

    return each
