"""The assertion beside ten float64 products q k^T, on 16 x 1024 x 1024 scores: processor time of the user, one thread.

    python -m pytest tests/benchmarks --benchmark-enable

The environment sets the threads (`OMP_NUM_THREADS=1`). Time of the system is left out: it is that of new pages for the products.
"""

from __future__ import annotations

from resource import RUSAGE_SELF, getrusage
from statistics import median

import numpy as np
import pytest

from attention_harness import assert_attention_close, attention_bound
from attention_implementations.numpy.online import online

PRODUCTS, ROUNDS = 10, 5


def user_time():
    """Seconds of the processor."""
    return getrusage(RUSAGE_SELF).ru_utime


@pytest.fixture(scope="module")
def arrays():
    return np.random.default_rng(0).standard_normal((3, 1, 16, 1024, 64)).astype(np.float32)


@pytest.fixture(scope="module")
def ten_products(arrays):
    q, k, _ = arrays.astype(float)

    def products():
        for _ in range(PRODUCTS):
            q @ k.swapaxes(-1, -2)

    return products


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "causal"])
def assertion(request, arrays):
    out = online(64)(*arrays, is_causal=request.param)
    return lambda: assert_attention_close(out, *arrays, is_causal=request.param)


def test_ten_products(benchmark, ten_products):
    benchmark.pedantic(ten_products, rounds=ROUNDS)


def test_the_whole_bound(benchmark, arrays):
    benchmark.pedantic(lambda: attention_bound(*arrays))


def test_the_assertion_costs_at_most_ten_products(benchmark, assertion, ten_products):
    benchmark.pedantic(assertion, rounds=ROUNDS)
    of_products = []
    for _ in range(ROUNDS):
        start = user_time()
        ten_products()
        of_products.append(user_time() - start)
    ratio = benchmark.stats.stats.median / median(of_products)
    benchmark.extra_info["products"] = ratio * PRODUCTS
    assert ratio <= 1


pytestmark = pytest.mark.benchmark(group="16 x 1024 x 1024 scores", timer=user_time, warmup=True)
