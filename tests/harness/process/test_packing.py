"""Arrays cross the pipe bit for bit, and lie there as they lay here."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from attention_harness.process.packing import ALIGNMENT, pack, unpack
from attention_specs.formats import DTYPES, numpy_dtype
from attention_specs.layouts import LAYOUTS

SHAPE = (2, 3, 4, 5)
KINDS = [*DTYPES, "bool", "int64"]


def any_bits(kind):
    """Random bits: NaN, infinities and subnormals among them."""
    if kind == "bool":
        return np.random.default_rng(0).random(SHAPE) < 0.5
    dtype = np.dtype(np.int64) if kind == "int64" else numpy_dtype(kind)
    return np.frombuffer(np.random.default_rng(0).bytes(120 * dtype.itemsize), dtype).reshape(SHAPE)


def crossed(array):
    return unpack(pickle.loads(pickle.dumps(pack(array))))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_bits_strides_and_the_read_only_flag_are_kept(layout, kind):
    here = LAYOUTS[layout](any_bits(kind))
    there = crossed(here)
    assert there.tobytes() == here.tobytes()
    assert (there.dtype, there.shape, there.strides) == (here.dtype, here.shape, here.strides)
    assert there.flags.writeable == here.flags.writeable


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("axis", range(4))
def test_arrays_without_elements_cross(layout, axis):
    here = LAYOUTS[layout](np.zeros(tuple(0 if a == axis else n for a, n in enumerate(SHAPE)), np.float32))
    assert (crossed(here).shape, crossed(here).dtype) == (here.shape, here.dtype)


def test_a_scalar_array_crosses():
    assert crossed(np.array(3.5)) == 3.5


def test_gaps_cross_too():
    here = LAYOUTS["every_second"](np.zeros(SHAPE, np.float32))
    there = crossed(here)
    neighbours = np.lib.stride_tricks.as_strided(there, strides=(*there.strides[:3], 4))[..., 1:5:2]
    assert np.all(neighbours == np.frombuffer(b"\x7f" * 4, np.float32)[0])


@pytest.mark.parametrize("kind", DTYPES)
def test_every_array_starts_on_a_cache_line(kind):
    for layout in LAYOUTS.values():
        packed = pack(layout(any_bits(kind)))
        first = unpack(packed).__array_interface__["data"][0] - packed.offset
        assert first % ALIGNMENT == 0


def test_offset_is_that_of_the_first_element_in_the_stretch():
    here = np.arange(12, dtype=np.float64).reshape(3, 4)[::-1]
    packed = pack(here)
    assert (packed.offset, packed.strides, len(packed.data)) == (2 * 4 * 8, (-32, 8), 96)


def test_what_is_unpacked_is_a_copy():
    here = np.zeros(3)
    there = crossed(here)
    there += 1
    assert not here.any()
