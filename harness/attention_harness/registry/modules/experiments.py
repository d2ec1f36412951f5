"""Experiments on a module: the reading with which it answers as a plain layer does. The judge has the last word, on all cases."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np

from attention_harness import frameworks
from attention_harness.registry.modules import weight_names
from attention_harness.registry.modules.forward import BETWEEN
from attention_harness.registry.modules.kinds import class_of, code_of_class
from attention_harness.registry.modules.layer import Layer
from attention_harness.registry.modules.plain_layer import LENGTH, example, random_mask
from attention_harness.registry.modules.reading import MASK_AXES, MASK_KINDS, Reading, of_weights
from attention_harness.registry.modules.rotations import TURNS, candidates
from attention_harness.registry.modules.sizes import LENGTHS, of_constructor
from attention_harness.registry.modules.weight_names import lacks
from attention_specs.formats import DTYPES, numpy_dtype
from attention_specs.multi_head.rotary import EXAMPLE, Rotary

CAUSAL = re.compile(r"causal|\btri[lu]\b|subsequent|look_?ahead|autoregressive", re.IGNORECASE)
"""Words in the code of a class that may be causal by itself."""

CLOSE = float(np.finfo(np.float32).eps) ** 0.5
"""Error, as a part of the largest number, by which readings are told apart: wrong ones are off by the whole."""

ASKED = {"any": (bool, np.int32), "bool": (bool,), "numbers": (np.int32,), "added": (bool,)}
"""Kind of mask -> the dtypes in which the harness has masks, and in which it must be right."""


@dataclass(frozen=True)
class Understanding:
    """What experiments say of a layer."""

    layer: Layer
    empty_rows: object = None
    """The answer of rows that see no key, as it is declared; None where it is not known."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Dtype in which it raises -> the exception, where it answers in others."""
    several: int = 0
    """Parts of a tuple that comes back."""
    doubts: tuple[str, ...] = ()
    """Sentences on what no reading explains."""


class Experiment:
    """Readings of a layer, tried on a small example. `causal` is True where that is declared."""

    def __init__(self, layer: Layer, causal: bool = False, only_added: bool = False, rotary: Rotary | None = None) -> None:
        self.layer, self.causal, self.kinds = layer, causal, ("added",) if only_added else MASK_KINDS
        self._rotary = (rotary,) if rotary else ()
        plain = example(layer.sizes, layer.forward.itself, lacks(layer.roles))
        dtype = np.dtype(np.float32)
        self.plain = replace(plain, arrays={name: array.astype(dtype) for name, array in plain.arrays.items()})
        self.parts = 0
        self.raised: list[str] = []
        """What the readings raised; "" for an answer."""

    def understanding(self) -> Understanding:
        """The layer in the reading that agrees; in the most usual one where none does."""
        plain, doubts = self._without_mask(), []
        if plain is None:
            turned = (*self._rotary, *candidates(self.layer)[1:], None)[0]
            plain = Reading(causal=self.causal or self._looks_back, batched=self.layer.verbs.BATCHED, rotary=turned)
            doubts = [self._doubt]
        layer = self.layer.under(plain)
        if plain.causal or not layer.forward.mask:
            return Understanding(layer, None, self._refused(layer, None), self.parts, tuple(doubts))
        masked = None if doubts else next(self._with_mask(layer), None)
        if masked is None and not doubts:
            doubts = [self._unknown_mask(layer)]
        layer = self.layer.under(masked or plain)
        mask = random_mask(self.plain.heads, MASK_AXES[layer.reading.mask_axes])
        return Understanding(layer, self._empty_rows(layer), self._refused(layer, mask), self.parts, tuple(doubts))

    def _unknown_mask(self, layer: Layer) -> str:
        """The sentence on a mask of which no form works; with the declaration, where True has the other meaning."""
        other, means = copy(self), "visible" if layer.hidden else "hidden"
        other.layer = replace(self.layer, hidden=not layer.hidden)
        meant = next(other._with_mask(layer), None)
        advice = f": if True is meant so that a key is {means}, declare mask_means={means}" if meant else ""
        return f"no form of a mask that is known works as {layer.forward.mask}{advice}"

    @property
    def _looks_back(self) -> bool:
        """Whether no row changes where all positions behind it do."""
        if not (self._may_be_causal and self.layer.forward.itself):
            return False
        changed = self.plain.arrays["query"].copy()
        changed[:, -1] *= -3
        outs = [self._answer(self.layer, {**self.plain.arrays, **dict.fromkeys(("query", "key", "value"), x)}, None)
                for x in (self.plain.arrays["query"], changed)]  # fmt: skip
        first, second = (None if out is None else out[:, :-1] for out in outs)
        return first is not None and second is not None and self._is(second, first)

    def _refused(self, layer: Layer, mask: np.ndarray | None) -> dict[str, str]:
        raised = {}
        for dtype in DTYPES:
            self._answer(layer, {name: array.astype(numpy_dtype(dtype)) for name, array in self.plain.arrays.items()}, mask)
            raised[dtype] = self.raised[-1]
        return {dtype: text for dtype, text in raised.items() if text} if not all(raised.values()) else {}

    def _without_mask(self) -> Reading | None:
        causal = (True,) if self.causal else (False, True) if self._may_be_causal else (False,)
        batched, turned = self.layer.verbs.BATCHED, self._rotary or candidates(self.layer)
        readings = of_weights(self.layer.fused, self.layer.order_unknown, batched, causal, turned)
        return next((one for one in readings if self._agrees(one, self._seen_by(one), None)), None)

    @property
    def _may_be_causal(self) -> bool:
        module = class_of(self.layer.thing)
        return bool(CAUSAL.search(code_of_class(module)) or {*LENGTHS} & {*of_constructor(module)})

    def _seen_by(self, reading: Reading) -> np.ndarray:
        return np.tri(LENGTH, dtype=bool)[None, None] if reading.causal else np.ones((1, 1, 1, 1), bool)

    def _with_mask(self, layer: Layer) -> Iterator[Reading]:
        for axes, kind in product(MASK_AXES, self.kinds):
            reading = replace(layer.reading, mask_axes=axes, mask_kind=kind)
            seen = random_mask(self.plain.heads, MASK_AXES[axes])
            if all(self._agrees(reading, seen, seen.astype(dtype)) for dtype in ASKED[kind]):
                yield reading

    def _agrees(self, reading: Reading, seen: np.ndarray, mask: np.ndarray | None) -> bool:
        """Whether it answers the example as a plain layer under what is seen."""
        wanted = self.plain.turning(reading.rotary).under(seen).answer()
        return self._is(self._answer(self.layer.under(reading), self.plain.arrays, mask), wanted)

    def _is(self, out: np.ndarray | None, wanted: np.ndarray) -> bool:
        if out is None or out.shape != wanted.shape:
            return False
        return bool(np.abs(out - wanted).max() <= CLOSE * np.abs(wanted).max())

    def _answer(self, layer: Layer, arrays: Mapping[str, np.ndarray], mask: np.ndarray | None) -> np.ndarray | None:
        try:
            result = layer.result(arrays, self.plain.heads, mask)
            self.parts = len(result) if isinstance(result, tuple | list) else 0
            out = frameworks.load(layer.verbs.FRAMEWORK).to_numpy(result[0] if isinstance(result, tuple | list) else result)
        except Exception as error:  # foreign code
            self.raised.append(f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}")
            return None
        self.raised.append("")
        return out.astype(np.float64)

    def _empty_rows(self, layer: Layer) -> object:
        """The answer where all keys are hidden, and apart from that where there are none."""
        nothing = np.zeros((1, 1, 1, 1), bool)
        out, example = self._answer(layer, self.plain.arrays, nothing), self.plain.turning(layer.reading.rotary).under(nothing)
        if out is None:
            return None
        if np.isnan(out).all():
            return "nan" if self._is_nan_without_keys(layer) else {"mask": "nan", "no_keys": "zeros"}
        return "uniform" if self._is(out, example.answer()) else "zeros" if self._is(out, example.answer(0.0)) else None

    def _is_nan_without_keys(self, layer: Layer) -> bool:
        if layer.forward.itself:
            return True
        none = {name: self.plain.arrays[name][:, :0] for name in ("key", "value")}
        out = self._answer(layer, {**self.plain.arrays, **none}, None)
        return out is not None and bool(np.isnan(out).all())

    @property
    def _doubt(self) -> str:
        """No reading agrees: what may be declared."""
        because = f" ({self.raised[0]})" if all(self.raised) else ""
        named = weight_names.declaration(self.layer.roles, [])
        doubt = f"no reading of its parameters gives a multi-head layer{because}: where they are others, declare {named}"
        if not TURNS.search(code_of_class(class_of(self.layer.thing))):
            return doubt
        return f"{doubt}; where it turns queries and keys by their positions, declare {EXAMPLE}, or {BETWEEN}"
