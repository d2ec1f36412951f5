"""Functions as tutorials write them: masks that hide, pairs that always come back, sizes that are fixed, no batch."""

from functools import partial

import numpy as np


def _softmax(scores):
    top = scores.max(-1, keepdims=True, initial=-np.inf)
    powers = np.exp(scores - np.where(np.isneginf(top), 0, top))
    total = powers.sum(-1, keepdims=True)
    return powers / np.where(total == 0, 1, total)


def _scores(q, k, scale=None):
    return (max(q.shape[-1], 1) ** -0.5 if scale is None else scale) * (q @ k.swapaxes(-1, -2))


def _wide(q, *arrays):
    """The arrays in float32 at least, keys and values once for each query head."""
    work = np.promote_types(q.dtype, np.float32)
    return q.astype(work), *(np.repeat(a.astype(work), q.shape[-3] // max(a.shape[-3], 1), -3) for a in arrays)


def padding_masked(query, key, value, ignore):
    """True in `ignore` hides a key; it has to be given."""
    q, k, v = _wide(query, key, value)
    return (_softmax(np.where(ignore, -np.inf, _scores(q, k))) @ v).astype(query.dtype)


def padding_masked_but_for_the_last_query(query, key, value, ignore):
    """The last row of the mask is forgotten."""
    q, k, v = _wide(query, key, value)
    hidden = np.broadcast_to(ignore, (q.shape[0], q.shape[1], q.shape[2], k.shape[2])).copy()
    hidden[..., 1:, :][..., -1:, :] = False
    return (_softmax(np.where(hidden, -np.inf, _scores(q, k))) @ v).astype(query.dtype)


def with_weights(q, k, v, scale=None):
    """Always the output and the weights."""
    wide = _wide(q, k, v)
    weights = _softmax(_scores(wide[0], wide[1], scale))
    return (weights @ wide[2]).astype(q.dtype), weights


def with_weights_that_are_scores(q, k, v, scale=None):
    """The second part is not what it is said to be."""
    wide = _wide(q, k, v)
    scores = _scores(wide[0], wide[1], scale)
    return (_softmax(scores) @ wide[2]).astype(q.dtype), scores


def with_lse(q, k, v, scale=None):
    """Always the output and the log-sum-exp."""
    return _with_lse(q, k, v, scale, 1.0)


def with_lse_in_bits(q, k, v, scale=None):
    """The log-sum-exp is that of base 2."""
    return _with_lse(q, k, v, scale, np.log(2))


def _with_lse(q, k, v, scale, base):
    wide = _wide(q, k, v)
    scores = _scores(wide[0], wide[1], scale)
    top = scores.max(-1, initial=-np.inf)
    with np.errstate(divide="ignore"):
        lse = np.log(np.exp(scores - np.where(np.isneginf(top), 0, top)[..., None]).sum(-1)) + np.where(np.isneginf(top), 0, top)
    return (_softmax(scores) @ wide[2]).astype(q.dtype), lse / base


def of_64(q, k, v, causal=False):
    """Heads of 64 numbers alone."""
    if not q.shape[-1] == v.shape[-1] == 64:
        raise ValueError("head dim must be 64")
    wide = _wide(q, k, v)
    scores = _scores(*wide[:2])
    return (_softmax(np.where(np.tri(*scores.shape[-2:], dtype=bool), scores, -np.inf) if causal else scores) @ wide[2]).astype(
        q.dtype
    )


def of_64_unchecked(q, k, v, causal=False):
    """Heads of 64 numbers; others are filled up, and scaled as if they had 64."""
    q, k = (np.pad(a, [(0, 0)] * 3 + [(0, max(64 - a.shape[-1], 0))]) for a in (q, k))
    wide = _wide(q, k, v)
    scores = _scores(*wide[:2])
    return (_softmax(np.where(np.tri(*scores.shape[-2:], dtype=bool), scores, -np.inf) if causal else scores) @ wide[2]).astype(
        q.dtype
    )


def decoder(q, k, v):
    """Causal, of one sequence: [H, L, D]."""
    wide = _wide(q, k, v)
    scores = _scores(*wide[:2])
    return (_softmax(np.where(np.tri(*scores.shape[-2:], dtype=bool), scores, -np.inf)) @ wide[2]).astype(q.dtype)


def decoder_sees_the_next_key(q, k, v):
    """The triangle is one too wide."""
    wide = _wide(q, k, v)
    scores = _scores(*wide[:2])
    return (_softmax(np.where(np.tri(*scores.shape[-2:], 1, dtype=bool), scores, -np.inf)) @ wide[2]).astype(q.dtype)


def general(q, k, v, *, is_causal, block, negate=False):
    """A function of many parameters, for partials."""
    assert block
    wide = _wide(q, k, v)
    scores = _scores(*wide[:2]) * (-1 if negate else 1)
    seen = np.tri(*scores.shape[-2:], dtype=bool) | (not is_causal)
    return (_softmax(np.where(seen, scores, -np.inf)) @ wide[2]).astype(q.dtype)


bound = partial(general, block=64, negate=False)
bound_to_the_wrong_sign = partial(general, block=64, negate=True)


class Attention:
    """An object that is called."""

    def __init__(self, sharpness=1.0):
        self.sharpness = sharpness

    def __call__(self, q, k, v, *, sm_scale=None):
        """The output."""
        wide = _wide(q, k, v)
        return (_softmax(self.sharpness * _scores(wide[0], wide[1], sm_scale)) @ wide[2]).astype(q.dtype)


instance = Attention()
sharper = Attention(1.01)


def in_any_order(values, keys, queries, sm_scale, /):
    """By position alone, values first."""
    wide = _wide(queries, keys, values)
    return (_softmax(_scores(wide[0], wide[1], sm_scale)) @ wide[2]).astype(queries.dtype)


def by_pointer(q, k, v):
    """Reads its arrays as a kernel does: by address, in rows of the usual order."""
    for a in (q, k, v):
        if not a.flags.c_contiguous:
            raise ValueError("arrays must be contiguous")
    wide = _wide(q, k, v)
    return (_softmax(_scores(*wide[:2])) @ wide[2]).astype(q.dtype)
