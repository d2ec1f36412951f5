"""The grids of flash-attention's tests, as tests/test_flash_attn.py of Dao-AILab/flash-attention has them at commit 0251105.

A test of one length for all batch entries and its twin of different lengths are one grid here, with the values of both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

DIMS = (32, 40, 59, 64, 80, 96, 111, 128, 160, 192, 224, 256)
BOTH = (False, True)
PADDED = ("", "padded")


@dataclass(frozen=True)
class Grid:
    """The lists of a test, and its rule: largest error <= `times` that of eager attention in the same dtype + `plus`."""

    test: str
    lengths: tuple[tuple[int, int], ...]
    dim: tuple[int, ...] = DIMS
    dtype: tuple[str, ...] = ("float16", "bfloat16")
    heads: tuple[str, ...] = ("mha",)
    causal: tuple[bool, ...] = BOTH
    local: tuple[bool, ...] = BOTH
    alibi: tuple[bool, ...] = BOTH
    softcap: tuple[float, ...] = (0.0,)
    packed: tuple[int, ...] = (0,)
    """How many of q, k and v lie in one array, [batch, length, so many, heads, dim]: the last two, or all three."""
    filled: tuple[str, ...] = ("",)
    """Which lengths differ: "padded", both, by up to 20, its mode "random"; "cache", that of the keys, by up to all but one."""
    new_keys: bool = False
    """Whether the queries bring keys of their own, behind a cache of any length."""
    deviations: tuple[int, int] = (1, 1)
    """Standard deviation of the queries, and of keys and values."""
    times: tuple[int, int] = (2, 2)
    """Without and with ALiBi."""
    plus: float = 0.0


LISTS = ("dim", "dtype", "heads", "causal", "local", "alibi", "softcap", "packed", "filled")


def both_ways(*lengths: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    """Its parameter swap_sq_sk."""
    return tuple(dict.fromkeys([*lengths, *((k, q) for q, k in lengths)]))


MHA_TYPES = ("mha", "mqa", "gqa")
CACHES = ((1, 128), (1, 339), (3, 1024), (64, 800), (64, 256), (3, 799), (64, 2048), (16, 20000), (128, 128))
CACHE_DIMS = (32, 59, 64, 80, 128, 256)

GRIDS = (
    Grid(
        "bwd_overflow", tuple((n, n) for n in (1, 2, 5, 17, 128)), (16, 32, 64), ("float16",),
        local=(False,), alibi=(False,), deviations=(5, 3),
    ),
    Grid("kvcache", CACHES, CACHE_DIMS, ("float16",), MHA_TYPES, filled=("cache",), times=(3, 5), plus=1e-5),
    Grid("kvcache with new keys", CACHES, CACHE_DIMS, ("float16",), MHA_TYPES, new_keys=True, times=(3, 5), plus=1e-5),
    Grid(
        "output and varlen_output",
        ((1, 147), (113, 203), (128, 217), (113, 211), (108, 256), (256, 512), (512, 256),
         (1024, 1024), (1023, 1024), (1024, 1023), (2048, 2048)),
        heads=MHA_TYPES, softcap=(0.0, 50.0), packed=(0, 2), filled=PADDED,
    ),
    Grid(
        "causal and varlen_causal",
        both_ways((1, 239), (3, 799), (127, 512), (127, 513), (113, 203), (128, 217), (113, 211), (108, 256), (256, 512),
                  (1023, 1024)),
        causal=(True,), alibi=(False,), filled=PADDED, plus=1e-5,
    ),
    Grid(
        "splitkv", both_ways((3, 1024), (1, 339), (64, 800), (3, 799), (64, 2048), (16, 20000), (128, 128), (256, 256)),
        plus=1e-5,
    ),
    Grid(
        "qkvpacked and varlen_qkvpacked", tuple((n, n) for n in (97, 128, 200, 257, 384, 512, 768, 1024, 1025, 2048)),
        packed=(3,), filled=PADDED,
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Setting:
    """One value of each list."""

    grid: Grid
    queries: int
    keys: int
    dim: int
    dtype: str
    heads: str
    causal: bool
    local: bool
    alibi: bool
    softcap: float
    packed: int
    filled: str

    def __str__(self) -> str:
        given = (self.filled if name == "filled" else name for name in LISTS[3:] if getattr(self, name))
        return " ".join([f"{self.grid.test}: {self.queries}x{self.keys}x{self.dim}", self.dtype, self.heads, *given])

    @property
    def scaled(self) -> tuple[int, int, int]:
        """Batch, query heads and key heads: fewer where there are more scores; one batch entry where a cache has one length."""
        scores = self.queries * self.keys
        batch, heads = (2, 4) if scores <= 2**17 else (1, 2) if scores <= 2**19 else (1, 1)
        key_heads = {"mha": heads, "mqa": 1, "gqa": max(heads // 2, 1)}[self.heads]
        return 1 if self.grid.new_keys else batch, heads, key_heads


def sample(rng: np.random.Generator, times: int) -> list[Setting]:
    """Every pair of lengths of every test so many times, everything else drawn from the lists; fewest scores first."""
    drawn = [_setting(rng, grid, *pair) for _ in range(times) for grid in GRIDS for pair in grid.lengths]
    return sorted(drawn, key=lambda setting: setting.queries * setting.keys)


def _setting(rng: np.random.Generator, grid: Grid, queries: int, keys: int) -> Setting:
    values = {name: getattr(grid, name) for name in LISTS}
    return Setting(grid, queries, keys, **{name: choices[rng.integers(len(choices))] for name, choices in values.items()})
