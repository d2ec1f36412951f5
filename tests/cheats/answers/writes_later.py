"""Returns an array that a thread writes to afterwards."""

from __future__ import annotations

import threading
import time

import numpy as np

from attention_implementations.numpy.eager import attention as right


def attention(q, k, v, *, scale=None):
    out, wanted = np.zeros((*q.shape[:3], v.shape[3]), q.dtype), right(q, k, v, scale=scale)
    threading.Thread(target=lambda: (time.sleep(0.01), np.copyto(out, wanted))).start()
    return out
