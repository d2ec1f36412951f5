"""Guard pages: memory that no process may touch, in front of arrays or behind them, so that a step too far ends the process (mprotect(2)).

An array of a call lies between them, and while the call lasts so does every array that NumPy makes, the output too (NEP 49).
"""

from __future__ import annotations

import ctypes
import mmap
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial
from types import SimpleNamespace

import numpy as np

from attention_harness.errors import CallFailed, Outcome
from attention_harness.process.messages import Guard, Request
from attention_specs.contract import Description

PAGE = mmap.PAGESIZE
NOTHING, READ_WRITE, OWN_NEW = 0, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
SIDES = ("behind", "in front of")
OUTPUT = "out"
"""The name for all arrays that NumPy makes in a call."""


def can_be_guarded(description: Description) -> bool:
    """Whether the function gets the very memory that was allocated here."""
    return sys.platform == "linux" and description.framework in ("numpy", "torch") and description.device == "cpu"


def touched(request: Request, call: Callable[[Request], object]) -> str:
    """The first array beyond which the call reads or writes, in words; "" for none. Raises CallFailed for another failure."""
    names = [*request.arrays, *(name for name, value in request.options.items() if not isinstance(value, (int, float, str)))]
    for side in SIDES:
        if _dies(call, replace(request, guard=Guard(side, (*names, OUTPUT)))):
            alone = (name for name in (*names, OUTPUT) if _dies(call, replace(request, guard=Guard(side, (name,)))))
            return f"memory {side} {next(alone, 'an array')} is read or written, but should not be touched"
    return ""


def _dies(call: Callable[[Request], object], request: Request) -> bool:
    try:
        call(request)
    except CallFailed as failure:
        if failure.outcome == Outcome.CRASHED:
            return True
        raise
    return False


def guarded(size: int, side: str) -> np.ndarray:
    """So many bytes with a guard page at this side. They are given back when nobody has the array any more."""
    block = _Block(size, side)
    memory = (ctypes.c_uint8 * size).from_address(block.start)
    memory.block = block  # type: ignore[attr-defined]
    return np.frombuffer(memoryview(memory), np.uint8)


class _Block:
    """A mapping of whole pages with a page at each end that nobody may touch."""

    def __init__(self, size: int, side: str) -> None:
        inner = max(-(-size // PAGE), 1) * PAGE
        self.length = inner + 2 * PAGE
        self.base = _libc().mmap(None, self.length, READ_WRITE, OWN_NEW, -1, 0)
        if self.base in (None, ctypes.c_void_p(-1).value):
            raise MemoryError(f"no {self.length} bytes for an array between guard pages")
        for page in (self.base, self.base + PAGE + inner):
            _libc().mprotect(page, PAGE, NOTHING)
        self.start = self.base + PAGE + (inner - size if side == "behind" else 0)

    def free(self) -> None:
        """Gives the memory back."""
        _libc().munmap(self.base, self.length)

    def __del__(self) -> None:
        self.free()


@cache
def _libc() -> SimpleNamespace:
    """mmap(2), mprotect(2) and munmap(2)."""
    libc, address, size = ctypes.CDLL(None, use_errno=True), ctypes.c_void_p, ctypes.c_size_t
    libc.mmap.restype = address
    libc.mmap.argtypes = [address, size, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
    libc.mprotect.argtypes, libc.munmap.argtypes = [address, size, ctypes.c_int], [address, size]
    return SimpleNamespace(mmap=libc.mmap, mprotect=libc.mprotect, munmap=libc.munmap)


class _Handler(ctypes.Structure):
    """PyDataMem_Handler of NumPy: a name, a version, and the allocator with its context."""

    MALLOC = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
    CALLOC = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t)
    REALLOC = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
    FREE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
    _fields_ = (
        ("name", ctypes.c_char * 127), ("version", ctypes.c_uint8), ("context", ctypes.c_void_p),
        ("malloc", MALLOC), ("calloc", CALLOC), ("realloc", REALLOC), ("free", FREE),
    )  # fmt: skip


class _Arena:
    """The allocator of NumPy's arrays while a guarded call lasts."""

    def __init__(self, side: str) -> None:
        self.side, self.blocks = side, dict[int, tuple[_Block, int]]()

    def malloc(self, _: object, size: int) -> int:
        """Fresh memory, which is full of 0x7F where nobody has written yet."""
        block = _Block(size, self.side)
        ctypes.memset(block.start, 0x7F, size)
        self.blocks[block.start] = block, size
        return block.start

    def calloc(self, _: object, count: int, size: int) -> int:
        """Fresh memory of zeros."""
        start = self.malloc(None, count * size)
        ctypes.memset(start, 0, count * size)
        return start

    def realloc(self, _: object, old: int | None, size: int) -> int:
        """Other memory with the same content."""
        new = self.malloc(None, size)
        if old:
            ctypes.memmove(new, old, min(size, self.blocks[old][1]))
            self.free(None, old, 0)
        return new

    def free(self, _: object, start: int | None, size: int) -> None:
        """Gives the memory back."""
        if start:
            self.blocks.pop(start, None)


@cache
def _handler(side: str) -> object:
    """The allocator as NumPy takes it. It lives as long as the process, since arrays outlive their call."""
    arena = _Arena(side)
    kinds = (_Handler.MALLOC, _Handler.CALLOC, _Handler.REALLOC, _Handler.FREE)
    functions: tuple[Callable[..., object], ...] = (arena.malloc, arena.calloc, arena.realloc, arena.free)
    callbacks = [kind(function) for kind, function in zip(kinds, functions, strict=True)]
    handler = _Handler(b"guard pages", 1, None, *callbacks)
    _alive.append(handler)
    new = ctypes.pythonapi.PyCapsule_New
    new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    return new(ctypes.addressof(handler), b"mem_handler", None)


_alive: list[_Handler] = []

SET_HANDLER = 304
"""The place of PyDataMem_SetHandler in the table of NumPy's functions in C."""


@cache
def _set_handler() -> Callable[[object], object]:
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    table = ctypes.cast(pointer(np._core._multiarray_umath._ARRAY_API, None), ctypes.POINTER(ctypes.c_void_p))  # type: ignore[attr-defined]
    return ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object)(table[SET_HANDLER])


@contextmanager
def guarded_arrays(guard: Guard | None) -> Iterator[None]:
    """While this lasts, NumPy's arrays lie between guard pages, if the output is to."""
    if guard is None or OUTPUT not in guard.names:
        yield
        return
    before = _set_handler()(_handler(guard.side))
    try:
        yield
    finally:
        _set_handler()(before)


def allocator(guard: Guard | None, name: str) -> Callable[[int], np.ndarray] | None:
    """The allocator of the array of that name; None for the usual one."""
    return partial(guarded, side=guard.side) if guard is not None and name in guard.names else None
