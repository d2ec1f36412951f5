"""Random numbers that depend on an index alone, and on no shape.

A mask or a bias drawn this way keeps its cells when a problem is made smaller, so a failure survives shrinking.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def uniform(seed: int, *indices: Any) -> np.ndarray:
    """Numbers in [0, 1), one for each combination of the broadcast indices.

    The finaliser of SplitMix64 (Steele, Lea and Flood 2014) over a running combination of the indices.
    """
    state = np.full(np.broadcast_shapes(*(np.shape(i) for i in indices)), seed, np.uint64)
    for index in indices:
        state = _mix(state + np.uint64(0x9E3779B97F4A7C15) + np.asarray(index).astype(np.uint64))
    return (state >> np.uint64(11)) * 2.0**-53


def _mix(z: np.ndarray) -> np.ndarray:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
