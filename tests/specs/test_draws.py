"""The hash: spread evenly, and a function of the index alone."""

from __future__ import annotations

import numpy as np

from attention_specs.draws import uniform


def test_a_number_depends_on_its_own_index_alone():
    many = uniform(3, np.arange(100)[:, None], np.arange(50))
    assert many[70, 40] == uniform(3, [70], [40])
    assert np.array_equal(many[10:20, 5:9], uniform(3, np.arange(10, 20)[:, None], np.arange(5, 9)))


def test_seeds_and_the_order_of_indices_matter():
    assert uniform(3, [1], [2]) != uniform(4, [1], [2])
    assert uniform(3, [1], [2]) != uniform(3, [2], [1])


def test_numbers_fill_the_unit_interval_evenly():
    numbers = uniform(0, np.arange(1000)[:, None], np.arange(100))
    assert numbers.min() >= 0
    assert numbers.max() < 1
    shares = np.histogram(numbers, 10, (0, 1))[0] / numbers.size
    five_deviations = 5 * (0.1 * 0.9 / numbers.size) ** 0.5
    assert np.abs(shares - 0.1).max() <= five_deviations


def test_neighbours_are_uncorrelated():
    numbers = uniform(1, np.arange(20_000))
    assert abs(np.corrcoef(numbers[:-1], numbers[1:])[0, 1]) <= 5 / 20_000**0.5
