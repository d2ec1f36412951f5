"""Properties of the multi-head layer: L1 to L8 of each answer, L9 on of answers that must be equal."""

from __future__ import annotations

import numpy as np

from attention_specs.attention.inputs import Inputs
from attention_specs.attention.oracle import attention
from attention_specs.attention.transform import mixed
from attention_specs.judge import VACUOUS, Side, Verdict, holds, identical, which_is_off, within
from attention_specs.multi_head.inputs import LayerInputs
from attention_specs.multi_head.oracle import join, leave, split
from attention_specs.multi_head.transform import (
    contiguous,
    exact_inputs,
    hidden_from,
    take_batch,
    take_heads,
    take_keys,
    take_positions,
    with_garbage,
    with_identity_projections,
    with_value,
)
from attention_specs.property import Attend, property_

SPEC = "multi-head"


def _says_something(x: LayerInputs) -> bool:
    return 0 not in x.output_shape


def _masked(x: LayerInputs) -> bool:
    return x.mask is not None and _says_something(x)


def _full_rows(attend: Attend, x: LayerInputs) -> np.ndarray:
    """Bool [B, Lq]: rows whose heads all see a key."""
    rows: np.ndarray = ~attend.expected(x).exact.empty
    return rows


def _unchanged(attend: Attend, x: LayerInputs, got: np.ndarray, what: str, exact: bool = False) -> Verdict:
    """`got` is the answer to x: bit for bit if exact, else to within the bounds of two right answers."""
    rows = np.ones(x.output_shape[:2], bool) if attend.declared("zeros_in_empty_rows") else _full_rows(attend, x)
    out, expected = attend(x), attend.expected(x)
    if exact and attend.declared("deterministic"):
        verdict = identical(got, out, what, rows)
    else:
        verdict = within(got, out, lambda: 2 * expected.bounds.out, what, rows)
    if verdict.holds:
        return verdict
    again, first = (Side(name, a, expected.out, expected.bounds.out) for name, a in ((what, got), ("out", out)))
    return which_is_off(verdict, again, first)


@property_("L1", spec=SPEC)
def layer_answers_every_problem(attend: Attend, x: LayerInputs) -> Verdict:
    """Each layer that the signature admits gets an answer, also at size 0 (C32, C40: torch-mha-odd-heads; C06: torch-mha-kpm-causal)."""
    attend.side_effects(x)
    return holds(True, "")


@property_("L2", spec=SPEC)
def layer_output_has_shape_and_dtype(attend: Attend, x: LayerInputs) -> Verdict:
    """The output is [B, Lq, d_model] in the query's dtype (C21; C25: flax-x64-decode)."""
    out = attend(x)
    return holds(out.dtype == x.query.dtype, f"dtype of out={out.dtype.name}, but should be {x.dtype}")


@property_("L3", spec=SPEC)
def layer_leaves_inputs_alone(attend: Attend, x: LayerInputs) -> Verdict:
    """No input or weight is written to, and the output is not a view of one (C34: mlx-donation)."""
    effects = attend.side_effects(x)
    changed = holds(not effects.changed, f"changed inputs={', '.join(effects.changed)}, but should be none")
    return changed & holds(
        not effects.aliased, f"inputs sharing memory with out={', '.join(effects.aliased)}, but should be none"
    )


@property_("L4", spec=SPEC, needs=_says_something)
def layer_agrees_with_the_oracle(attend: Attend, x: LayerInputs) -> Verdict:
    """Each output element is within the derived bound: projections, order of heads, scale, mask polarity (C04 to C11, C23, C24)."""
    expected, rows = attend.expected(x), _full_rows(attend, x)
    return within(attend(x), expected.out, expected.bounds.out, "out", rows)


@property_("L5", spec=SPEC, needs=lambda x: _says_something(x) and not x.visible().any(-1).all())
def layer_empty_rows_follow_the_declaration(attend: Attend, x: LayerInputs) -> Verdict:
    """A head that sees no key gives what was declared, zeros by default, before the output projection (C02: rten-fullrow-nan)."""
    expected, rows = attend.expected(x), ~_full_rows(attend, x)
    if expected.empty_rows == "unspecified":
        return VACUOUS
    return within(attend(x), expected.out, expected.bounds.out, "out", rows, "a head of this row sees no key")


@property_("L6", spec=SPEC, options=("return_weights",), needs=_says_something)
def layer_weights_agree_with_the_oracle(attend: Attend, x: LayerInputs) -> Verdict:
    """Returned weights are each head's own, [B, heads, Lq, Lk], zeros where masked (C38: torch-mha-weights-dropout)."""
    expected, weights = attend.expected(x), attend.extra(x, "weights")
    rows = ~expected.exact.attention.empty
    return within(weights, expected.weights, expected.bounds.weights, "weights", rows)


@property_("L7", spec=SPEC, options=("return_weights",), needs=_says_something)
def layer_output_does_not_depend_on_returning_weights(attend: Attend, x: LayerInputs) -> Verdict:
    """Asking for the weights changes no row of the output (C05: torch-mha-causal-need-weights; C38: torch-mha-need-weights-nan)."""
    return _unchanged(attend, x, attend.out_beside(x, "weights"), "out beside the weights")


@property_("L8", spec=SPEC, needs=_says_something)
def layer_same_call_twice_gives_the_same(attend: Attend, x: LayerInputs) -> Verdict:
    """Weights belong to the call: nothing is kept, dropped or drawn between two calls (C28: torchtune-dropout-eval; C30)."""
    return identical(attend.again(x), attend(x), "out, called again") if attend.declared("deterministic") else VACUOUS


def _row_with_hidden_keys(x: LayerInputs) -> int:
    """A query from which all heads hide a key, and not all keys if there is such a query."""
    hidden = np.logical_not(x.visible().any(1))
    some, every = np.any(hidden, (0, 2)), np.all(hidden, (0, 2))
    partly = some & ~every
    rows = np.flatnonzero(partly if partly.any() else some)
    return int(rows[len(rows) // 2]) if rows.size else 0


@property_("L9", spec=SPEC, needs=lambda x: _masked(x) and not x.visible().all())
def layer_masked_keys_have_no_influence(attend: Attend, x: LayerInputs) -> Verdict:
    """What stands at a position that a query sees in no head changes nothing in its row, bit for bit (C01, C03, C07, C08)."""
    row = _row_with_hidden_keys(x)
    hidden = hidden_from(x, row)
    if not hidden.any():
        return VACUOUS
    clean = contiguous(x)
    got = attend(clean).copy()
    got[:, row] = attend(with_garbage(clean, hidden))[:, row]
    return _unchanged(attend, clean, got, f"out, garbage hidden from query {row}", exact=True)


@property_("L10", spec=SPEC, options=("mask",), needs=lambda x: x.mask is None and _says_something(x))
def layer_all_true_mask_is_no_mask(attend: Attend, x: LayerInputs) -> Verdict:
    """A mask that hides nothing changes nothing (C07: opposite polarity in torch-nn modules; C05)."""
    everything = np.ones((1, 1, x.query.shape[1], x.key.shape[1]), bool)
    return _unchanged(attend, x, attend(x.replace(mask=everything)), "out, mask all True")


@property_("L11", spec=SPEC, needs=_masked)
def layer_zeros_and_ones_are_a_mask(attend: Attend, x: LayerInputs) -> Verdict:
    """0 and 1 mean False and True, and are not added to the scores (C08: keras-int-mask-passthrough, torch-mha-fastpath-float-mask)."""
    assert x.mask is not None
    return _unchanged(attend, x, attend(x.replace(mask=x.mask.astype(np.int32))), "out, mask of 0 and 1")


@property_("L12", spec=SPEC, needs=lambda x: _masked(x) and x.mask.shape != x.score_shape)
def layer_broadcast_mask_is_the_full_mask(attend: Attend, x: LayerInputs) -> Verdict:
    """Size-1 axes of the mask stand for all entries (C09: torch-mha-3d-mask-fastpath, ncnn-singleton-mask, keras-mask-expand-axes)."""
    return _unchanged(attend, x, attend(x.replace(mask=x.visible().copy())), "out, mask in full shape")


@property_("L13", spec=SPEC, needs=lambda x: _says_something(x) and x.query.shape[0] > 1)
def layer_permuting_the_batch_permutes_the_output(attend: Attend, x: LayerInputs) -> Verdict:
    """Batch entries do not know their place (C11: batch and length exchanged; C09: torch-mps-mask-partial-broadcast)."""
    order = mixed(x.query.shape[0])
    got = attend(take_batch(x, order))[np.argsort(order)]
    return _unchanged(attend, x, got, "out, batch permuted", exact=bool(attend.declared("batch_invariant")))


@property_("L14", spec=SPEC, needs=lambda x: _says_something(x) and x.query.shape[1] > 1)
def layer_query_rows_are_independent(attend: Attend, x: LayerInputs) -> Verdict:
    """A row does not depend on the other queries, which are replaced (C13; C26: softmax over the wrong axis)."""
    row = x.query.shape[1] // 2
    others = (np.arange(x.query.shape[1]) != row)[:, None]
    query = np.where(others, 3 * x.query[:, ::-1].astype(np.float64), x.query).astype(x.query.dtype)
    got = attend(x).copy()
    got[:, row] = attend(x.replace(query=query))[:, row]
    return _unchanged(attend, x, got, f"out, all queries but {row} replaced")


@property_("L15", spec=SPEC, needs=lambda x: _says_something(x) and x.key.shape[1] > 1 and x.rotary is None)
def layer_permuting_the_keys_changes_nothing(attend: Attend, x: LayerInputs) -> Verdict:
    """Keys with their values and mask columns have no order; in self-attention the rows go along (C09, C12, C13)."""
    order = mixed(x.key.shape[1])
    if x.self_attention:
        return _unchanged(attend, x, attend(take_positions(x, order))[:, np.argsort(order)], "out, positions permuted")
    return _unchanged(attend, x, attend(take_keys(x, order)), "out, keys permuted")


@property_("L16", spec=SPEC, needs=lambda x: _says_something(x) and x.heads > 1)
def layer_permuting_the_heads_changes_nothing(attend: Attend, x: LayerInputs) -> Verdict:
    """Heads are slices that w_o adds up: their order does not matter (C10: onnx-gqa-tile; C11: heads split or joined in another order)."""
    return _unchanged(attend, x, attend(take_heads(x, mixed(x.heads))), "out, heads permuted")


@property_("L17", spec=SPEC, needs=_says_something)
def layer_identity_projections_give_attention(attend: Attend, x: LayerInputs) -> Verdict:
    """With weights I and biases 0 the layer is attention on each head's slice (C10, C11, C23: scale of the model, not of the head)."""
    y = with_identity_projections(x)
    got, group = attend(y), x.heads // (x.key_heads or x.heads)
    q, k, v = (split(a, x.heads) for a in (x.query, x.key, x.value))
    k, v = k[:, ::group], v[:, ::group]
    if x.rotary is not None:
        q, k = (x.rotary.turned(a.astype(np.float64)) for a in (q, k))
    wanted, rows = join(attention(Inputs(q, k, v, mask=x.visible())).out), _full_rows(attend, x)
    return within(got[rows], wanted[rows], attend.expected(y).bounds.out[rows], "out of identity projections")


@property_("L18", spec=SPEC, needs=_says_something)
def layer_constant_values_come_back(attend: Attend, x: LayerInputs) -> Verdict:
    """If all values are one vector, each full row is its two projections: weights sum to one (C01, C24, C38)."""
    y = with_value(x, np.broadcast_to(x.value[:, :1], x.value.shape).copy())
    w_v, b_v = exact_inputs(y, "w_v"), exact_inputs(y, "b_v")
    through, rows = split(exact_inputs(y, "value")[:, :1] @ w_v + b_v, x.heads), _full_rows(attend, x)
    wanted = np.broadcast_to(leave(y, through), x.output_shape) if x.key.shape[1] else np.zeros(x.output_shape)
    return within(attend(y)[rows], wanted[rows], attend.expected(y).bounds.out[rows], "out of constant values")
