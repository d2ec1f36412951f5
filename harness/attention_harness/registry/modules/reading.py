"""A reading of a module: how its parameters hold the layer's weights, and in which form it takes a mask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from attention_harness.registry.modules.kinds import Parameter
from attention_harness.registry.modules.sizes import Size
from attention_harness.registry.modules.weight_names import WeightMap
from attention_specs.multi_head.inputs import OF_KEYS
from attention_specs.multi_head.rotary import Rotary

COLUMNS = ("3hd", "h3d", "hd3")
"""Orders of projections, heads and dimensions in the columns of a fused weight."""

MASK_AXES = {"bhqk": "bhqk", "bqk": "bqk", "qk": "qk", "bk": "bk", "(bh)qk": "bhqk"}
"""Form of a mask -> the axes that may differ in it."""

MASK_KINDS = ("any", "bool", "numbers", "added")
"""Bool and 0/1; bool alone; 0/1 alone; 0 and -inf, which are added to the scores."""


@dataclass(frozen=True)
class Reading:
    """How the weights are stored where nothing says it, the columns of fused ones, and the mask."""

    stored: str = "in,out"
    columns: str = "3hd"
    batched: bool = True
    causal: bool = False
    mask_axes: str = "bhqk"
    mask_kind: str = "any"
    rotary: Rotary | None = None

    def values(
        self, arrays: Mapping[str, np.ndarray], size: Size, roles: WeightMap, parameters: Mapping[str, Parameter]
    ) -> dict[str, np.ndarray]:
        """Parameter -> its value for these weights of the layer. NotImplementedError where it has another size."""
        values: dict[str, np.ndarray] = {}
        for role, names in roles.items():
            parts = [of_key_heads(arrays, f"{role[0]}_{letter}", size) for letter in role[2:]]
            whole = self._fused(parts, size.d_model // size.heads, size.key_heads)
            for name, part in zip(names, np.split(whole, len(names), -1 if role != "w_o" else 0), strict=True):
                values[name] = self._placed(part, name, parameters[name], size.heads)
        return values

    def _fused(self, several: list[np.ndarray], dim: int, key_heads: int) -> np.ndarray:
        """Columns of one array, of several in their order: [..., all their heads * D]; by heads, those that share a key head follow
        each other.
        """
        if len(several) == 1 or self.columns == "3hd":
            return np.concatenate(several, -1)
        lead = several[0].shape[:-1]
        if self.columns == "h3d":
            return np.concatenate([a.reshape(*lead, key_heads, -1, dim) for a in several], -2).reshape(*lead, -1)
        if len({a.shape for a in several}) > 1:
            raise NotImplementedError("columns=hd3, but should be another order: keys have fewer heads")
        return np.stack(several, -1).reshape(*lead, -1)

    def _placed(self, a: np.ndarray, name: str, parameter: Parameter, heads: int) -> np.ndarray:
        if a.size != parameter.size:
            raise NotImplementedError(f"shape of {name}={parameter.shape}, but should have {a.size} elements for this layer")
        if a.ndim == 2 and len(parameter.shape) == 2 and (parameter.stored or self.stored) == "out,in":
            return a.T.reshape(parameter.shape)
        if len(parameter.shape) == 3 and parameter.shape[:2] == (heads, a.shape[0]) and heads != a.shape[0]:  # [heads, d, D]
            return a.reshape(a.shape[0], heads, -1).swapaxes(0, 1)
        return a.reshape(parameter.shape)

    def mask(self, mask: np.ndarray, shape: tuple[int, int, int, int], dtype: np.dtype, hidden: bool) -> np.ndarray:
        """The mask of the contract in its form. NotImplementedError where it differs along an axis that this form lacks."""
        mask = mask.reshape((1,) * (4 - mask.ndim) + mask.shape)
        varying = MASK_AXES[self.mask_axes]
        if lost := [axis for axis, size in zip("bhqk", mask.shape, strict=True) if size > 1 and axis not in varying]:
            raise NotImplementedError(
                f"mask={mask.shape}, but should be the same along {lost[0]}: its form is [{self.mask_axes}]"
            )
        mask = self._in_kind(mask, dtype, hidden)
        if self.mask_axes == "bhqk":
            return mask if self.batched else np.broadcast_to(mask, shape)
        kept = [axis in varying for axis in "bhqk"]
        full = np.broadcast_to(mask, [size if keep else 1 for size, keep in zip(shape, kept, strict=True)])
        if self.mask_axes == "(bh)qk":
            return full.reshape(-1, *shape[2:])
        return full.reshape([size for size, keep in zip(shape, kept, strict=True) if keep])

    def _in_kind(self, mask: np.ndarray, dtype: np.dtype, hidden: bool) -> np.ndarray:
        seen = mask.astype(bool)
        if self.mask_kind == "added":
            return np.where(seen, 0, -np.inf).astype(dtype)
        meant = ~seen if hidden else seen
        if self.mask_kind == "any":
            return meant.astype(mask.dtype)
        return meant if self.mask_kind == "bool" else meant.astype(np.int64)

    def text(self, fused: bool, unknown: bool) -> str:
        """What was read of the weights, in words."""
        parts = [f"weights stored [{self.stored}]"] * unknown + [f"columns of fused weights [{self.columns}]"] * fused
        parts += [] if self.batched else ["asked for each entry of the batch by itself"]
        parts += [self.rotary.text] if self.rotary else []
        return ", ".join((*parts, *(["causal by itself"] if self.causal else [])))


def of_key_heads(arrays: Mapping[str, np.ndarray], name: str, size: Size) -> np.ndarray:
    """The weights of this name; of keys and values the columns of the first head of each group."""
    whole = arrays[name]
    if name not in OF_KEYS or size.key_heads == size.heads:
        return whole
    dim = size.d_model // size.heads
    grouped = whole.reshape(*whole.shape[:-1], size.key_heads, size.heads // size.key_heads, dim)
    return grouped[..., 0, :].reshape(*whole.shape[:-1], size.key_heads * dim)


def of_weights(
    fused: bool, unknown: bool, batched: bool, causal: tuple[bool, ...], rotary: Sequence[Rotary | None] = (None,)
) -> Iterator[Reading]:
    """All readings without a mask, the most usual first."""
    stored = ("in,out", "out,in") if unknown else ("in,out",)
    columns = COLUMNS if fused else ("3hd",)
    for is_causal, one, turned, order, fits in product(causal, (batched, not batched), rotary, columns, stored):
        yield Reading(fits, order, one, is_causal, rotary=turned)
