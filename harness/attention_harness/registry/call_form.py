"""The form in which a function is called and answers, and the way to it from a call of the contract.

Arrays change their form in NumPy, before a framework has them, so that no time of a call goes into it; names, order and
the parts of a tuple are changed by a function around the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps

import numpy as np

from attention_specs.contract import FUSED, IN_LAYOUT, LAYOUTS, RETURNED, Description
from attention_specs.forms import FORMS
from attention_specs.forms.padded import Padded, neutral
from attention_specs.spec import Call

Function = Callable[..., object]

BATCHED = {**dict.fromkeys((*IN_LAYOUT, "mask", "bias", "weights"), 4), "lse": 3}
"""Arrays with a batch axis -> their axes with it."""


class CallForm:
    """The form of arrays and options that a function takes, by its description."""

    def __init__(self, description: Description) -> None:
        self.description = description
        self.axes = LAYOUTS.get(description.layout, LAYOUTS["bhld"])
        self.batch = description.layout not in LAYOUTS or "b" in description.layout
        stacked = description.positional if description.form == Padded.name else ()
        self.fused = {name: FUSED[name] for name in stacked if name in FUSED}
        self.place = description.layout.index("h")
        self.copies = description.contiguous or description.mask_means == "hidden" or bool(self.fused)
        """Whether `given` may copy an array: in all other forms it is a view."""

    def given(self, name: str, value: object) -> object:
        """An argument, its gradient or the output of the contract in the form of the function. NotImplementedError for a batch of
        several entries where there is no axis for it.
        """
        if not isinstance(value, np.ndarray):
            return self._plain(name, value)
        array = ~value if name == "mask" and self.description.mask_means == "hidden" else value
        if self.axes[1] == 2 and name in IN_LAYOUT and array.ndim == 4:
            array = array.transpose(self.axes)
        if not self.batch and array.ndim == BATCHED.get(name):
            array = self._only_entry(name, array)
        return np.ascontiguousarray(array) if self.description.contiguous else array

    def back(self, name: str, array: np.ndarray) -> np.ndarray:
        """The way back: an array of the function in the form of the contract."""
        if not self.batch and array.ndim + 1 == BATCHED.get(name):
            array = array[None]
        if name == "lse" and self.description.lse_layout == "lh" and array.ndim > 1:
            array = array.swapaxes(-1, -2)
        if self.axes[1] == 2 and name in IN_LAYOUT and array.ndim == 4:
            array = array.transpose(self.axes)
        return ~array if name == "mask" and self.description.mask_means == "hidden" else array

    def together(self, own: Mapping[str, object]) -> dict[str, object]:
        """The arrays in the form of the function with those in one that it takes in one."""
        apart = {one for names in self.fused.values() for one in names}
        joined = {name: self._stacked(name, [own[one] for one in names]) for name, names in self.fused.items()}
        return joined | {name: value for name, value in own.items() if name not in apart}

    def _stacked(self, name: str, parts: Sequence[object]) -> np.ndarray:
        arrays = [one for one in parts if isinstance(one, np.ndarray)]
        if len({array.shape for array in arrays}) > 1:
            raise NotImplementedError(f"shapes={', '.join(str(a.shape) for a in arrays)}, but should be one: they lie in {name}")
        return np.stack(arrays, self.place)

    def inside(self, names: Sequence[str]) -> tuple[str, ...]:
        """The arrays that hold these, each once."""
        holders = {one: name for name, parts in self.fused.items() for one in parts}
        return tuple(dict.fromkeys(holders.get(name, name) for name in names))

    def by_position(self, arrays: Iterable[str]) -> tuple[str, ...]:
        """The names under which arrays that come by position are handed over."""
        return arrays_of(self.description.positional) if self.fused else tuple(arrays)

    def apart(self, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The way back: each array by itself, as a view."""
        single = {name: array for name, array in arrays.items() if name not in self.fused}
        views = {name: np.moveaxis(array, self.place, 0) for name, array in arrays.items() if name in self.fused}
        return single | {one: part for name, parts in views.items() for one, part in zip(self.fused[name], parts, strict=True)}

    def completed(self, arrays: Mapping[str, np.ndarray], options: Mapping[str, object]) -> dict[str, object]:
        """The options without those that the domain fixes, and with those that the function has no default for, which change nothing,
        and switches."""
        added = {name: neutral(name, arrays) for name in self.description.needed if name not in options}
        added |= dict.fromkeys(self.description.switches, True)
        return {name: value for name, value in {**added, **options}.items() if name not in self.description.implied}

    def own_call(self, call: Call) -> tuple[dict[str, object], dict[str, object]]:
        """The call as the function gets it: what is passed by position, in this order, and the rest by the names of its parameters."""
        asked: dict[str, object] = {**call.arrays, **self.completed(call.arrays, call.options)}
        own = self.together({name: self.given(name, value) for name, value in asked.items()})
        by_position = ordered(self.description.positional or tuple(call.arrays), own)
        names = self.description.names
        return by_position, {names.get(name, name): value for name, value in own.items() if name not in by_position}

    def _only_entry(self, name: str, array: np.ndarray) -> np.ndarray:
        if array.shape[0] != 1:
            raise NotImplementedError(
                f"batch={array.shape[0]}, but should be 1: layout={self.description.layout} has no batch axis"
            )
        return array[0]

    def _plain(self, name: str, value: object) -> object:
        if name == "window" and isinstance(value, tuple) and self.description.open_side is not None:
            return tuple(self.description.open_side if side is None else side for side in value)
        return value


def ordered(order: Sequence[str], given: Mapping[str, object]) -> dict[str, object]:
    """What is passed by position; behind the last that is given, the function has defaults."""
    last = max(place for place, name in enumerate(order) if name in given)
    return {name: given.get(name) for name in order[: last + 1]}


def arrays_of(order: Sequence[str]) -> tuple[str, ...]:
    """The arrays among what is passed by position."""
    return tuple(name for name in order if name in (*FUSED, *Padded.arrays))


def in_contract_form(function: Function, description: Description) -> Function:
    """The function, to be called with arrays and options by their names in the contract."""
    names, order, returns = description.names, description.positional, description.returns
    if not (names or order or returns):
        return function
    parts = [part for part in RETURNED if part in returns]
    taken = arrays_of(order) if {*FUSED} & {*order} else FORMS[description.form].arrays

    @wraps(function, updated=())
    def attention(*arrays: object, **options: object) -> object:
        wanted = [part for part in parts if options.pop(f"return_{part}", part == "out")]
        given = dict(zip(taken, arrays, strict=False)) | options
        first = [*ordered(order, given).values()] if order else arrays
        rest = {names.get(name, name): value for name, value in options.items() if name not in order}
        result = function(*first, **rest)
        return _judged(result, returns, wanted) if returns else result

    vars(attention).update(vars(function) if hasattr(function, "__dict__") else {})
    return attention


def _judged(result: object, returns: tuple[str, ...], wanted: list[str]) -> object:
    """The parts of the tuple that are wanted: the output, and what was asked for beside it."""
    if not isinstance(result, tuple | list) or len(result) != len(returns):
        kind = f"{type(result).__name__} of {len(result)}" if isinstance(result, tuple | list) else type(result).__name__
        raise TypeError(f"output={kind}, but should be as declared, returns={', '.join(returns)}")
    by_part = dict(zip(returns, result, strict=True))
    return by_part["out"] if wanted == ["out"] else tuple(by_part[part] for part in wanted)
