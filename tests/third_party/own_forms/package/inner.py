"""A part of it."""

import numpy as np


def softmax(scores):
    """Of rows that see a key."""
    powers = np.exp(scores - scores.max(-1, keepdims=True, initial=-1e30))
    return powers / np.maximum(powers.sum(-1, keepdims=True), 1e-300)
