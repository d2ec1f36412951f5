"""The steps that leave the range of a layer's declared formats: its projections, then attention on these.

Derived in `precision.md`, section 10.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from attention_specs.attention.inputs import Inputs
from attention_specs.attention.ranges import Step, data, first, growth, narrow, steps
from attention_specs.multi_head.bounds import projection_error, projection_sizes
from attention_specs.multi_head.inputs import ARRAYS, LayerInputs
from attention_specs.multi_head.oracle import head_scale, join, split
from attention_specs.precision import Precision, Units


def beyond(x: LayerInputs, p: Precision) -> str:
    """The first step of a call that may leave the range of its format, in words; nothing if none does."""
    return first(data([getattr(x, name) for name in ARRAYS], p), _steps_of_a_layer(x, p))


def _steps_of_a_layer(x: LayerInputs, p: Precision) -> Iterator[Step]:
    """Its projections, then attention on the largest results of these."""
    if not (narrow(p.products, p) or narrow(p.sums, p)):
        return
    u = Units.from_precision(p)
    sent = ((x.query, x.w_q, x.b_q), (x.key, x.w_k, x.b_k), (x.value, x.w_v, x.b_v))
    q, k, v = (split(projection_sizes(*one) + projection_error(*one, u), x.heads) for one in sent)
    if narrow(p.sums, p):
        yield from (("a projection", a, p.sums) for a in (q, k, v))
        grown = np.exp(u.sums(x.w_o.shape[0] + 1) + 2 * growth(v.shape[2], u))
        leaving = projection_sizes(join(v.max(2, keepdims=True, initial=0)), x.w_o, x.b_o)
        yield "the output projection", leaving * grown, p.sums
    yield from steps(Inputs(q, k, v, mask=x.visible(), scale=head_scale(x)), p)
