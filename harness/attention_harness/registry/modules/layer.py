"""A module that is called with the arrays of a layer: its weights are set from them first."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import isqrt

import numpy as np

from attention_harness import frameworks
from attention_harness.registry.modules import weight_names
from attention_harness.registry.modules.forward import Forward, forward_of
from attention_harness.registry.modules.kinds import Parameter, Verbs, class_of
from attention_harness.registry.modules.reading import Reading
from attention_harness.registry.modules.sizes import CONFIGS, HEADS, KEY_HEADS, Size, Source, of_constructor
from attention_harness.registry.modules.weight_names import WeightMap
from attention_specs.multi_head.inputs import OF_KEYS, shared

SMALL = Size(12, 2, 2)
"""The size of the module whose parameters are read, where it may have any; """
GROUPED = Size(24, 4, 2)
"""... and where it may have fewer key heads."""

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Layer:
    """A module, or a class of modules. ValueError where its parameters or its call cannot be understood."""

    verbs: Verbs
    thing: object
    weights: Mapping[str, str]
    """Role -> parameter, as declared; empty for a guess by names."""
    ignored: tuple[str, ...] = ()
    """Parameters that keep their values."""
    hidden: bool = False
    """Whether True in a mask hides a key."""
    device: str = "cpu"
    reading: Reading = field(default_factory=Reading)

    @cached_property
    def sizes(self) -> Size:
        """Of the instance, or of the module that is read of a class."""
        if isinstance(self.thing, type):
            return self._of_class(self.thing)
        heads = next((n for n in (getattr(self.thing, name, None) for name in HEADS) if isinstance(n, int)), 1)
        key_heads = next((n for n in (getattr(self.thing, name, None) for name in KEY_HEADS) if isinstance(n, int)), heads)
        parameters = self.verbs.parameters(self.thing)
        roles = self._roles(parameters)
        role = next(role for role in roles if role in ("w_q", "w_qkv"))
        heads_in_it = sum(heads if letter == "q" else key_heads for letter in role[2:])
        return Size(isqrt(sum(parameters[name].size for name in roles[role]) * heads // heads_in_it), heads, key_heads)

    def _of_class(self, module: type) -> Size:
        """With fewer key heads where its parameters show that it has them."""
        named = {*of_constructor(module)}
        if not {*HEADS, *CONFIGS} & named:
            return Size(SMALL.d_model, 1, 1)
        if not {*KEY_HEADS, *CONFIGS} & named:
            return SMALL
        source = Source(self.verbs, module, self.device)
        elements = [sum(one.size for one in self.verbs.parameters(source.module(size, 1, "float32")).values())
                    for size in (GROUPED, GROUPED._replace(key_heads=GROUPED.heads))]  # fmt: skip
        return GROUPED if elements[0] < elements[1] else SMALL

    @cached_property
    def source(self) -> Source:
        """The modules of each size."""
        return Source(self.verbs, self.thing, self.device, None if isinstance(self.thing, type) else self.sizes)

    @cached_property
    def parameters(self) -> dict[str, Parameter]:
        """Those of the module that is read."""
        return self.verbs.parameters(self.source.module(self.sizes, 1, "float32"))

    @cached_property
    def roles(self) -> WeightMap:
        """Role -> parameter."""
        return self._roles(self.parameters)

    def _roles(self, parameters: Mapping[str, Parameter]) -> WeightMap:
        asked = {name: one for name, one in parameters.items() if name not in self.ignored}
        roles = weight_names.declared(self.weights, asked) if self.weights else weight_names.guessed(asked)
        weight_names.refuse_incomplete(roles, asked)
        return roles

    @property
    def fused(self) -> bool:
        """Whether a parameter holds several projections."""
        return any(len(role) > len("w_q") for role in self.roles)

    @property
    def order_unknown(self) -> bool:
        """Whether a matrix may be [in, out] or [out, in]."""
        matrices = [self.parameters[name] for role, names in self.roles.items() if role.startswith("w") for name in names]
        return any(len(one.shape) == 2 and not one.stored for one in matrices)

    @cached_property
    def forward(self) -> Forward:
        """The call, as its class defines it."""
        module = class_of(getattr(self.thing, "_orig_mod", self.thing))  # in a module that torch compiles
        return forward_of(getattr(module, "forward", module.__call__))

    def under(self, reading: Reading) -> Layer:
        """The same in another reading."""
        return replace(self, reading=reading)

    def __call__(self, arrays: Arrays, heads: int, mask: np.ndarray | None = None) -> object:
        """The answer, an array of the framework. NotImplementedError outside of what the module can be asked."""
        result = self.result(arrays, heads, mask)
        return result[0] if isinstance(result, tuple | list) else result

    def result(self, arrays: Arrays, heads: int, mask: np.ndarray | None = None) -> object:
        """All that it returns."""
        module, size, _ = self._module_for(arrays, heads)
        values = self.reading.values(arrays, size, self.roles, self.verbs.parameters(module))
        call, framework = self.verbs.with_values(module, values, self.device), frameworks.load(self.verbs.FRAMEWORK)
        given = {name: framework.from_numpy(a, self.device) for name, a in self._given(arrays, heads, mask).items()}
        call = call if self.reading.batched else self.verbs.batched(call)
        return call(**given, **self.forward.flags)

    def program(self, arrays: Arrays, heads: int, mask: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """What a program of its own needs to make this call: "parameter NAME" and "argument NAME" -> array, and "how" -> JSON of
        `construction` (null of an instance), `config` (the argument that holds all sizes, or "") and `flags`.
        """
        module, size, length = self._module_for(arrays, heads)
        values = self.reading.values(arrays, size, self.roles, self.verbs.parameters(module))
        made = self.source.construction(size, length)
        config = next((name for name in made or {} if name in CONFIGS), "")
        made = made and {name: vars(value) if name == config else value for name, value in made.items()}
        how = json.dumps({"construction": made, "config": config, "flags": self.forward.flags})
        parts = {f"parameter {name}": np.ascontiguousarray(value) for name, value in values.items()}
        parts |= {f"argument {name}": np.ascontiguousarray(a) for name, a in self._given(arrays, heads, mask).items()}
        return parts | {"how": np.frombuffer(how.encode(), np.uint8)}

    def _module_for(self, arrays: Arrays, heads: int) -> tuple[object, Size, int]:
        query = arrays["query"]
        self._refuse_others(arrays, query)
        length = max(query.shape[1], arrays["key"].shape[1], 1)
        size = Size(query.shape[2], heads, self._key_heads(arrays, heads))
        return self.source.module(size, length, query.dtype.name), size, length

    def _given(self, arrays: Arrays, heads: int, mask: np.ndarray | None) -> dict[str, np.ndarray]:
        return {name: arrays[array] for name, array in self.forward.arrays.items()} | self._masking(arrays, heads, mask)

    def _key_heads(self, arrays: Arrays, heads: int) -> int:
        """The fewest heads of keys and values that give these weights; of an instance, its own if they do."""
        if self.sizes.key_heads == self.sizes.heads:
            return heads
        counts = [n for n in range(1, heads + 1) if heads % n == 0]
        fit = [n for n in counts if all(shared(a := arrays[name], heads, n).tobytes() == a.tobytes() for name in OF_KEYS)]
        own = self.sizes.key_heads
        return own if own in fit and not isinstance(self.thing, type) else fit[0]

    def _masking(self, arrays: Arrays, heads: int, mask: np.ndarray | None) -> dict[str, np.ndarray]:
        given = mask is not None and not self.reading.causal
        if not (given or self.forward.mask_needed) or not self.forward.mask:
            return {}
        query, keys = arrays["query"], arrays["key"].shape[1]
        shape = query.shape[0], heads, query.shape[1], keys
        mask = mask if given and mask is not None else np.ones((1, 1, *shape[2:]), bool)
        return {self.forward.mask: self.reading.mask(mask, shape, query.dtype, self.hidden)}

    def _refuse_others(self, arrays: Arrays, query: np.ndarray) -> None:
        same = all(arrays[name].shape == query.shape and arrays[name].tobytes() == query.tobytes() for name in ("key", "value"))
        if self.forward.itself and not same:
            raise NotImplementedError("key and value, but should be the query: it takes one array")
