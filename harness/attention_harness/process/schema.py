"""Messages as data: JSON and the bytes of arrays, read back by the annotations of a dataclass alone.

Messages from foreign code may be anything. A pickle would run it; here each value is of the expected type, or refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from math import prod
from types import UnionType
from typing import Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import numpy as np

from attention_harness.process.packing import ALIGNMENT
from attention_specs.formats import FORMATS, numpy_dtype

INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
CROSSING = {name: np.dtype(name) for name in ("bool", *INTEGERS, "complex64", "complex128")}
CROSSING |= {name: numpy_dtype(name) for name in FORMATS}
"""The dtypes of arrays that cross; objects, strings, records and dates do not."""

NAMES = {dtype: name for name, dtype in CROSSING.items()}

Kind = TypeVar("Kind")
Arrays = list[np.ndarray]
Bytes = np.ndarray
Read = Callable[[object, "Data"], object]


class UnsendableArray(Exception):
    """An array of a dtype that does not cross."""


class Data:
    """The bytes of all arrays of a message, taken one after the other."""

    def __init__(self, memory: Bytes) -> None:
        self.memory, self.at = memory, 0

    def array(self, value: object) -> np.ndarray:
        """The next array, by its dtype and shape. Raises TypeError, KeyError or ValueError."""
        described = _typed(value, dict)
        dtype, shape = CROSSING.get(described["dtype"]), described["shape"]
        if dtype is None or type(shape) is not list or not all(type(n) is int and n >= 0 for n in shape):
            raise ValueError(f"array={str(value)[:100]}, but should be of a known dtype and have lengths")
        until = self.at + prod(shape) * dtype.itemsize
        if until > self.memory.size:
            raise ValueError(f"bytes={self.memory.size}, but should be {until} at least for an array of shape {tuple(shape)}")
        array = self.memory[self.at : until].view(dtype).reshape(shape)
        self.at = until + padding(until)
        return array


def encoded(message: object) -> tuple[bytes, list[memoryview]]:
    """The JSON and the bytes of the arrays in it. Raises UnsendableArray, and TypeError or ValueError for a value that is no data."""
    arrays: Arrays = []
    document = json.dumps(_plain(message, arrays, "out")).encode()
    return document, [part for array in arrays for part in _parts(array)]


def decoded(hint: type[Kind], document: bytes | bytearray, memory: Bytes) -> Kind:
    """A value of this type. Raises ValueError for anything else, and for bytes that are left over."""
    data = Data(memory)
    wanted: object = hint  # mypy: type[Kind] is not Hashable
    try:
        value = reader(wanted)(json.loads(document), data)
    except (TypeError, KeyError, OverflowError, RecursionError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
    if data.at != memory.size:
        raise ValueError(f"bytes={memory.size}, but should be {data.at}")
    return cast(Kind, value)  # the reader of a type makes nothing else


def padding(size: int) -> int:
    """Bytes up to the next cache line, so that each array begins on one."""
    return -size % ALIGNMENT


def _plain(value: object, arrays: Arrays, what: str) -> object:
    if type(value) is np.ndarray:
        if (name := NAMES.get(value.dtype)) is None:
            raise UnsendableArray(
                f"dtype of {what}={value.dtype}, but should be a known dtype of numbers in the machine's byte order"
            )
        arrays.append(value)
        return {"dtype": name, "shape": value.shape}
    if type(value) is list or type(value) is tuple:
        return [_plain(one, arrays, what) for one in value]
    if isinstance(value, Mapping):
        return {name: _plain(one, arrays, str(name)) for name, one in value.items()}
    kind: object = type(value)
    if names := field_names(kind):
        return {name: _plain(getattr(value, name), arrays, name) for name in names}
    return value


@cache
def field_names(kind: object) -> tuple[str, ...]:
    """The names of the fields of a dataclass; none of anything else."""
    return tuple(field.name for field in fields(kind)) if is_dataclass(kind) else ()


def _parts(array: np.ndarray) -> list[memoryview]:
    if not array.size:
        return []
    whole = np.asarray(array, order="C").reshape(-1).view(np.uint8).data
    return [whole, memoryview(bytes(padding(whole.nbytes)))]


@cache
def reader(hint: object) -> Read:
    """The function that reads a value of this type from plain data; it raises TypeError, KeyError or ValueError for another type."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is np.ndarray:
        return lambda value, data: data.array(value)
    if isinstance(hint, type) and is_dataclass(hint):
        return _record(hint)
    if origin in (Union, UnionType):
        return _either([reader(one) for one in arguments])
    if origin is Literal:
        return lambda value, data: arguments[arguments.index(value)]
    if origin is tuple and arguments[-1] is not Ellipsis:
        return _row([reader(one) for one in arguments])
    if origin in (tuple, list):
        return _series(origin, reader(arguments[0]))
    if origin is not None:
        return _mapping(reader(arguments[1]))
    assert isinstance(hint, type)
    return _scalar(hint)


def _record(hint: type) -> Read:
    assert is_dataclass(hint)
    hints = get_type_hints(hint)
    readers = {field.name: reader(hints[field.name]) for field in fields(hint)}

    def read(value: object, data: Data) -> object:
        given = _typed(value, dict)
        if given.keys() != readers.keys():
            raise ValueError(f"fields={', '.join(given)[:100]}, but should be {', '.join(readers)}")
        return hint(**{name: read_one(given[name], data) for name, read_one in readers.items()})

    return read


def _either(readers: list[Read]) -> Read:
    def read(value: object, data: Data) -> object:
        for one in readers[:-1]:
            try:
                return one(value, data)
            except (TypeError, ValueError, KeyError):
                continue
        return readers[-1](value, data)

    return read


def _row(readers: list[Read]) -> Read:
    return lambda value, data: tuple(one(part, data) for one, part in zip(readers, _typed(value, list), strict=True))


def _series(kind: type[list[object]] | type[tuple[object, ...]], one: Read) -> Read:
    return lambda value, data: kind([one(part, data) for part in _typed(value, list)])


def _mapping(one: Read) -> Read:
    return lambda value, data: {printable(name): one(part, data) for name, part in _typed(value, dict).items()}


def _scalar(hint: type) -> Read:
    if hint is str:
        return lambda value, data: printable(_typed(value, str))
    if hint is float:
        return lambda value, data: float(_typed(value, float, int))
    return lambda value, data: _typed(value, hint)


def _typed(value: object, *kinds: type[Kind]) -> Kind:
    if type(value) not in kinds or not isinstance(value, kinds):
        raise TypeError(f"value={str(value)[:100]}, but should be {kinds[0].__name__}")
    return value


def printable(text: str) -> str:
    """The text with escapes where it has surrogates, which no file takes."""
    return text.encode("utf-8", "backslashreplace").decode()
