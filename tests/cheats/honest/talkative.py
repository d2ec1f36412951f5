"""Prints, logs, and writes to a temporary file."""

from __future__ import annotations

import logging
import tempfile

from attention_implementations.numpy.eager import attention as right


def attention(q, k, v, *, scale=None):
    print("shape", q.shape)
    logging.warning("called")
    with tempfile.TemporaryFile() as file:
        file.write(q.tobytes())
    return right(q, k, v, scale=scale)
