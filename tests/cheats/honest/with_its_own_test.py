"""Has its test in the same file, which imports the harness."""

from __future__ import annotations

from attention_harness import assert_attention_close, check_attention, parametrize_with_properties
from attention_implementations.numpy.eager import attention as right


def attention(q, k, v, *, scale=None):
    return right(q, k, v, scale=scale)


@parametrize_with_properties(attention)
def test_attention(property_):
    assert_attention_close
    property_()


if __name__ == "__main__":
    check_attention(attention)
