"""The switches of precision of torch and JAX: no TF32, no sums in 16 bits, 64-bit types, matrix products in full precision."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from operator import attrgetter
from typing import NamedTuple


class Switch(NamedTuple):
    """A setting of a framework for the whole process: how it is read and written, and its value in full precision."""

    read: Callable[[], object]
    write: Callable[[object], object]
    precise: object


def _torch() -> list[Switch]:
    torch = import_module("torch")
    flags = (
        (torch.backends.cuda.matmul, "allow_fp16_reduced_precision_reduction"),
        (torch.backends.cuda.matmul, "allow_bf16_reduced_precision_reduction"),
        (torch.backends.cudnn, "allow_tf32"),
    )
    products = Switch(torch.get_float32_matmul_precision, torch.set_float32_matmul_precision, "highest")
    return [products, *(Switch(partial(getattr, *flag), partial(setattr, *flag), False) for flag in flags)]


def _jax() -> list[Switch]:
    config = import_module("jax").config
    values = (("jax_enable_x64", True), ("jax_default_matmul_precision", "highest"))
    return [Switch(partial(attrgetter(name), config), partial(config.update, name), value) for name, value in values]


SWITCHES: dict[str, Callable[[], list[Switch]]] = {"torch": _torch, "jax": _jax}


def set_precise(framework: str) -> None:
    """Full precision in this framework, for the life of the process."""
    for switch in SWITCHES[framework]():
        switch.write(switch.precise)


@contextmanager
def precise(framework: str) -> Iterator[None]:
    """Full precision in this framework while the block lasts; its switches are as before afterwards."""
    switches = SWITCHES[framework]() if framework in SWITCHES else []
    before = [switch.read() for switch in switches]
    try:
        for switch in switches:
            switch.write(switch.precise)
        yield
    finally:
        for switch, value in zip(switches, before, strict=True):
            switch.write(value)
