"""The arrays of a case and the answers of the oracle, which all functions of an audit share while the case lasts."""

from __future__ import annotations

from hashlib import blake2b
from types import ModuleType
from typing import Any

import numpy as np

from attention_specs.case import Case
from attention_specs.contract import Conventions


class CachedOracle:
    """A spec that answers the same question once. Everything else is the spec's own."""

    def __init__(self, spec: ModuleType) -> None:
        self._spec = spec
        self.forget()

    def forget(self) -> None:
        """Another case begins."""
        self._known: dict[Any, Any] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._spec, name)

    def realise(self, case: Case) -> Any:
        """The inputs of the case: for all functions the same object."""
        return self._once(case.id, lambda: self._spec.realise(case))

    def expect(self, x: Any, conventions: Conventions, precision: str | None) -> Any:
        """As the spec's, once for each question, whoever asks it."""
        key = ("out", self._key(x), str(conventions), precision)
        return self._once(key, lambda: self._spec.expect(x, conventions, precision))

    def expect_gradient(self, x: Any, dout: np.ndarray, conventions: Conventions, precision: str | None) -> Any:
        """As the spec's, once for each question, whoever asks it."""
        key = ("gradient", self._key(x), content_of(dout), str(conventions), precision)
        return self._once(key, lambda: self._spec.expect_gradient(x, dout, conventions, precision))

    def _once(self, key: Any, make: Any) -> Any:
        if key not in self._known:
            self._known[key] = make()
        return self._known[key]

    def _key(self, x: Any) -> Any:
        """The call that x makes, as something that can be looked up."""
        call = self._spec.call(x)
        return tuple((name, content_of(value)) for name, value in [*call.arrays.items(), *call.options.items()])


def content_of(argument: Any) -> Any:
    """The content of an argument, whatever its strides: of an array a digest, since hundreds of large ones pass while a case lasts."""
    if not isinstance(argument, np.ndarray):
        return repr(argument)
    return argument.dtype.name, argument.shape, blake2b(argument.tobytes(), digest_size=16).digest()
