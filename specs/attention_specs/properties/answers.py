"""Properties of an answer by itself: there is one, of the right shape, near the oracle's, with the inputs left alone."""

from __future__ import annotations

import numpy as np

from attention_specs.attention.inputs import Inputs
from attention_specs.attention.spec import Expected
from attention_specs.judge import VACUOUS, Verdict, holds, within
from attention_specs.properties.relations import verdict_by_side
from attention_specs.property import Attend, property_


@property_("P1")
def every_problem_is_answered(attend: Attend, x: Inputs) -> Verdict:
    """Each problem that the signature admits gets an answer: no exception, crash or hang, also at size 0 (C32, C40)."""
    attend.side_effects(x)
    return holds(True, "")


@property_("P2")
def output_has_the_shape_and_dtype_of_the_contract(attend: Attend, x: Inputs) -> Verdict:
    """The output is [B, Hq, Lq, Dv] in the query's dtype (C21: torch-mps-vdim; C25: tinygrad-out-dtype)."""
    out = attend(x)
    return holds(out.dtype == x.q.dtype, f"dtype of out={out.dtype.name}, but should be the query's, {x.dtype}")


@property_("P3")
def inputs_are_left_alone(attend: Attend, x: Inputs) -> Verdict:
    """No input is written to, and the output is not a view of one (C34: mlx-donation)."""
    effects = attend.side_effects(x)
    changed = holds(not effects.changed, f"changed inputs={', '.join(effects.changed)}, but should be none")
    return changed & holds(
        not effects.aliased, f"inputs sharing memory with out={', '.join(effects.aliased)}, but should be none"
    )


def _sees_something(x: Inputs) -> bool:
    return bool(np.prod(x.output_shape))


@property_("P4", needs=_sees_something)
def output_agrees_with_the_oracle(attend: Attend, x: Inputs) -> Verdict:
    """Each output element is within the derived bound of the definition (C01 to C40)."""
    expected = attend.expected(x)
    rows = ~expected.exact.empty
    return within(attend(x), expected.out, expected.bounds.out, "out", rows)


@property_("P5", needs=lambda x: bool((~x.visible().any(-1)).any()) and _sees_something(x))
def empty_rows_follow_the_declaration(attend: Attend, x: Inputs) -> Verdict:
    """A row that may attend to nothing gives what was declared, zeros by default (C02; C16: fa2-splitkv-empty)."""
    expected = attend.expected(x)
    rows = expected.exact.empty & expected.specified
    return within(attend(x), expected.out, expected.out_bound, "out", rows, "row sees no key") if rows.any() else VACUOUS


@property_("P6", needs_recompile=True, options=("return_lse",))
def lse_agrees_with_the_oracle(attend: Attend, x: Inputs) -> Verdict:
    """The returned lse is the log of the sum of exp of the visible scores, -inf for empty rows (C17: vllm-lse-base, flex-lse-ln2)."""
    return _lse_agrees(attend.expected(x), attend.extra(x, "lse"), "lse")


def _lse_agrees(expected: Expected, lse: np.ndarray, what: str) -> Verdict:
    return within(lse, expected.lse, expected.lse_bound, what, expected.lse_in_range)


@property_("P7", needs_recompile=True, options=("return_weights",))
def weights_agree_with_the_oracle(attend: Attend, x: Inputs) -> Verdict:
    """The returned weights are those of the definition, exact zeros where masked (C38: torch-mha-weights-dropout, keras-20684)."""
    return _weights_agree(attend.expected(x), attend.extra(x, "weights"), "weights")


def _weights_agree(expected: Expected, weights: np.ndarray, what: str) -> Verdict:
    verdict = within(weights, expected.weights, expected.bounds.weights, what, ~expected.exact.empty)
    return verdict & within(weights, np.zeros_like(weights), 0.0, what, expected.empty_rows == "zeros", "row sees no key")


@property_("P8", needs_recompile=True, every_other_case=True, options=("return_weights",))
def output_does_not_depend_on_returning_weights(attend: Attend, x: Inputs) -> Verdict:
    """Asking for the weights changes nothing in the output (C05: torch-mha-causal-need-weights; C38)."""
    expected = attend.expected(x)
    got, wanted = attend.out_beside(x, "weights"), attend(x)
    rows = ~expected.exact.empty
    what = "out beside weights"
    return verdict_by_side(attend, x, within(got, wanted, 2 * expected.bounds.out, what, rows), got, wanted, what)


@property_("P9", needs_recompile=True, every_other_case=True, options=("return_lse",))
def output_does_not_depend_on_returning_lse(attend: Attend, x: Inputs) -> Verdict:
    """Asking for the lse changes nothing in the output (C05, C17)."""
    expected = attend.expected(x)
    got, wanted, what = attend.out_beside(x, "lse"), attend(x), "out beside lse"
    verdict = within(got, wanted, 2 * expected.out_bound, what, expected.specified)
    return verdict_by_side(attend, x, verdict, got, wanted, what)


@property_("P16", needs_recompile=True, every_other_case=True, options=("return_weights", "return_lse"))
def weights_and_lse_come_together_as_each_alone(attend: Attend, x: Inputs) -> Verdict:
    """Asked for both, it gives (out, weights, lse), each as it is alone: near the definition (C05, C17, C38)."""
    expected, both = attend.expected(x), attend.together(x)
    out = within(both["out"], expected.out, expected.out_bound, "out beside weights and lse", expected.specified)
    weights = _weights_agree(expected, both["weights"], "weights beside lse")
    return out & weights & _lse_agrees(expected, both["lse"], "lse beside weights")


@property_("P17", needs=_sees_something, needs_new_oracle=True, about="domain")
def outside_of_its_domain_it_refuses_or_is_right(attend: Attend, x: Inputs) -> Verdict:
    """A call that the declared domain excludes is refused, or its output is right all the same (C32)."""
    replies = list(attend.outside(x))
    verdict = holds(True, "")
    for condition, reply in replies:
        if reply is not None:
            out, expected = reply
            what = f"out outside of {condition}"
            verdict &= within(out, expected.out, expected.out_bound, what, expected.specified)
    return verdict if replies else VACUOUS


@property_("P10", needs=_sees_something)
def same_call_twice_gives_the_same_bits(attend: Attend, x: Inputs) -> Verdict:
    """Repeating a call repeats its output, bit for bit where `deterministic` is declared (C30, C34, C35)."""
    first, second, expected = attend(x), attend.again(x), attend.expected(x)
    bound = 0.0 if attend.declared("deterministic") else 2 * expected.out_bound
    what = "out of the second call"
    return verdict_by_side(attend, x, within(second, first, bound, what, expected.specified), second, first, what)
