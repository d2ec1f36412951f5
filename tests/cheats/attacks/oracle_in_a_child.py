"""Asks the oracle in a child process, where nothing is patched."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

CODE = "import attention_specs.attention.oracle as oracle; print(oracle.__file__)"


def attention(q, k, v):
    out = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True)
    if out.returncode:
        return np.zeros((*q.shape[:3], v.shape[3]), q.dtype)
    from attention_implementations.numpy.eager import attention as right

    return right(q, k, v)
