"""Ring attention over a mesh of devices (Liu et al. 2023): each keeps its queries, and keys go round from one to the next.

What a device has seen is a maximum, a sum and weighted values; the next keys are merged into them. On a CPU the host
stands for eight devices.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from attention_implementations.jax._online import State, cut, filled, finish, merged, of_tile, start
from attention_implementations.jax.einsum import Result, product, visible
from attention_specs.contract import declares
from attention_specs.sizes import require_fitting

DEVICES = 8
ROWS, COLUMNS = 4, 16
"""Of the arrays of one device, lengths and columns are multiples of these."""
RING = "ring"
BY_ROWS = PartitionSpec(None, None, RING)

with suppress(RuntimeError):  # another implementation of this process has started the devices; then `mesh` refuses
    jax.config.update("jax_num_cpu_devices", DEVICES)


@cache
def mesh(devices: int) -> Mesh:
    """A ring of so many devices. NotImplementedError where there are fewer."""
    if len(jax.devices()) < devices:
        raise NotImplementedError(f"devices={len(jax.devices())}, but should be at least {devices}")
    return Mesh(np.array(jax.devices()[:devices]), RING)


def ring(devices: int) -> Callable[..., Result]:
    """Attention over so many devices."""

    @declares(
        framework="jax",
        device="cpu",
        gradient=True,
        conventions={"checks_shapes": True},
        precision={"bfloat16": "exact", "float16": "exact"},
    )
    def attention(
        q: Array, k: Array, v: Array, *, mask: Array | None = None, bias: Array | None = None, is_causal: bool = False,
        scale: float | None = None, window: Any = None, softcap: float | None = None, return_lse: bool = False,
    ) -> Result:  # fmt: skip
        """q [B, Hq, Lq, D], k [B, Hkv, Lk, D], v [B, Hkv, Lk, Dv] -> out [B, Hq, Lq, Dv], lse [B, Hq, Lq]."""
        require_fitting(q, k, v, mask, bias)
        arrays = filled_up(devices, q, k, v, mask, bias, window, is_causal)
        spread = NamedSharding(mesh(devices), BY_ROWS)
        scale = max(q.shape[3], 1) ** -0.5 if scale is None else scale
        whole = over(devices, *(None if a is None else jax.device_put(a, spread) for a in arrays), scale, softcap)
        out, lse = cut(*jax.device_put(whole, jax.devices()[0]), q.shape[2], v.shape[3])  # where the caller's arrays are
        return (out, lse) if return_lse else out

    return attention


@partial(jax.jit, static_argnums=(0, 7))
def filled_up(
    devices: int, q: Array, k: Array, v: Array, mask: Array | None, bias: Array | None, window: Any, is_causal: bool
) -> tuple[Array | None, ...]:
    """q, k, v, the keys that are seen, and the bias, for whole tiles of each device: one compiled ring serves many sizes."""
    shape = (*q.shape[:3], k.shape[2])
    seen = jnp.broadcast_to(visible(0, shape[2], shape[3], mask, is_causal, window), shape)
    tables = [None if a is None else filled(jnp.broadcast_to(a, shape), ROWS * devices, ROWS * devices) for a in (seen, bias)]
    return *(filled(a, ROWS * devices, COLUMNS) for a in (q, k, v)), *tables


@partial(jax.jit, static_argnums=0)
def over(
    devices: int, q: Array, k: Array, v: Array, seen: Array, bias: Array | None, scale: float, softcap: float | None
) -> tuple[Array, Array]:
    """Output and log-sum-exp over the devices, among which all arrays lie by their rows."""
    local = partial(turns, devices, jnp.asarray(scale), None if softcap is None else jnp.asarray(softcap))
    arrays = [a for a in (q, k, v, seen, bias) if a is not None]
    out, lse = jax.shard_map(local, mesh=mesh(devices), in_specs=BY_ROWS, out_specs=BY_ROWS, check_vma=False)(*arrays)
    return out, lse


def turns(
    devices: int, scale: Array, softcap: Array | None, q: Array, k: Array, v: Array, seen: Array, bias: Array | None = None
) -> tuple[Array, Array]:  # fmt: skip
    """What one device does: its queries meet the keys that it has, and then those that the device before it hands on."""
    work, here, width = jnp.promote_types(q.dtype, jnp.float32), lax.axis_index(RING), k.shape[2]
    onwards = [(one, (one + 1) % devices) for one in range(devices)]

    def met(carried: tuple[State, Array, Array], turn: Array) -> tuple[tuple[State, Array, Array], None]:
        state, k, v = carried
        columns = (here - turn) % devices * width
        keys, values = (jnp.repeat(a, q.shape[1] // max(a.shape[1], 1), axis=1) for a in (k, v))
        scores = product("bhid,bhjd->bhij", q, keys) * scale
        scores = scores if softcap is None else softcap * jnp.tanh(scores / softcap)
        if bias is not None:
            scores += lax.dynamic_slice_in_dim(bias, columns, width, 3).astype(work)
        allowed = lax.dynamic_slice_in_dim(seen, columns, width, 3)
        state = merged(state, of_tile(jnp.where(allowed, scores, -jnp.inf), values.astype(work)))
        return (state, *lax.ppermute((k, v), RING, onwards)), None

    (state, _, _), _ = lax.scan(met, (start(q.shape[:3], v.shape[3], work), k, v), jnp.arange(devices))
    out, lse = finish(state)
    return out.astype(q.dtype), lse


attention = ring(DEVICES)
