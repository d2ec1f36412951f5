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

from attention_implementations.jax._online import State, finish, merged, of_tile, start
from attention_implementations.jax.einsum import Result, product, visible
from attention_specs.contract import declares
from attention_specs.sizes import require_fitting

DEVICES = 8
RING = "ring"

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
        everywhere = NamedSharding(mesh(devices), PartitionSpec())
        q, k, v, mask, bias = (None if a is None else jax.device_put(a, everywhere) for a in (q, k, v, mask, bias))
        out, lse = over(devices, q, k, v, mask, bias, scale, window, softcap, is_causal)
        home = jax.devices()[0]  # where the caller's arrays are
        return tuple(jax.device_put((out, lse), home)) if return_lse else jax.device_put(out, home)

    return attention


@partial(jax.jit, static_argnums=(0, 9))
def over(
    devices: int, q: Array, k: Array, v: Array, mask: Array | None, bias: Array | None, scale: float | None, window: Any,
    softcap: float | None, is_causal: bool,
) -> tuple[Array, Array]:  # fmt: skip
    """Output and log-sum-exp. Lengths are filled up to multiples of the number of devices, with keys that nobody sees."""
    queries, keys = q.shape[2], k.shape[2]
    shape = (*q.shape[:3], keys)
    seen = visible(0, queries, keys, mask, is_causal, window)
    places = [filled(jnp.broadcast_to(seen, shape), (2, 3), devices)]
    places += [] if bias is None else [filled(jnp.broadcast_to(bias, shape), (2, 3), devices)]
    scale = max(q.shape[3], 1) ** -0.5 if scale is None else scale
    by_rows = PartitionSpec(None, None, RING)
    local = partial(turns, devices, jnp.asarray(scale), None if softcap is None else jnp.asarray(softcap))
    arrays = [filled(a, (2,), devices) for a in (q, k, v)] + places
    out, lse = jax.shard_map(local, mesh=mesh(devices), in_specs=by_rows, out_specs=by_rows, check_vma=False)(*arrays)
    return out[:, :, :queries], lse[:, :, :queries]


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


def filled(a: Array, axes: tuple[int, ...], multiple: int) -> Array:
    """The array with zeros behind its end along these axes, up to a multiple that is above 0."""
    widths = [(0, max(-size % multiple, 0 if size else multiple) if axis in axes else 0) for axis, size in enumerate(a.shape)]
    return jnp.pad(a, widths)


attention = ring(DEVICES)
