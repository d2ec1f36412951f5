"""Properties of gradients, of implementations that declare them: the backward pass is a kernel of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache

import numpy as np

from attention_specs.attention.inputs import Inputs
from attention_specs.attention.spec import ExpectedGradient
from attention_specs.judge import VACUOUS, Verdict, holds, identical, within
from attention_specs.properties.relations import verdict_by_side
from attention_specs.property import Attend, property_

ARRAYS = ("q", "k", "v")
MOST_CELLS = 1 << 20
"""Elements of a bias that is written out at full shape."""


def output_gradient(x: Inputs) -> np.ndarray:
    """[B, Hq, Lq, Dv], standard normal, in the dtype of the output; the same object for the same sizes."""
    return _normal(x.output_shape, x.k.shape[2], x.q.dtype)


@lru_cache(maxsize=8)
def _normal(shape: tuple[int, ...], keys: int, dtype: np.dtype) -> np.ndarray:
    return np.random.default_rng([*shape, keys]).standard_normal(shape).astype(dtype)


def _judged(attend: Attend, x: Inputs, dout: np.ndarray) -> ExpectedGradient | None:
    """The right gradients; None where an empty row gives something else than zeros, or a step leaves the range of its format."""
    expected: ExpectedGradient = attend.expected_gradient(x, dout)
    fits = attend.declared("zeros_in_empty_rows") or not expected.exact.exact.empty.any()
    return expected if fits and expected.in_range else None


def _agree(attend: Attend, x: Inputs, dout: np.ndarray, wrt: Sequence[str]) -> Verdict:
    """Each gradient within its bound."""
    expected = _judged(attend, x, dout)
    if expected is None:
        return VACUOUS
    got = attend.gradient(x, dout, wrt)
    return _all(within(got[name], expected.gradients[name], expected.bounds[name], f"d{name}") for name in wrt)


def _all(verdicts: Iterable[Verdict]) -> Verdict:
    first, *rest = verdicts
    for verdict in rest:
        first = first & verdict
    return first


def _near(
    attend: Attend, x: Inputs, dout: np.ndarray, got: Mapping[str, np.ndarray], wanted: Mapping[str, np.ndarray],
    wrt: Sequence[str], what: str,
) -> Verdict:  # fmt: skip
    """The verdict on two right gradients: within the sum of their bounds."""
    expected = _judged(attend, x, dout)
    if expected is None:
        return VACUOUS
    return _all(within(got[name], wanted[name], 2 * expected.bounds[name], f"d{name}{what}") for name in wrt)


def differentiable(needs: Callable[[Inputs], bool] = lambda x: True) -> Callable[[Inputs], bool]:
    """A condition, for inputs and outputs that are not of size 0."""
    return lambda x: 0 not in (*x.output_shape, *x.k.shape) and needs(x)


def _tables(x: Inputs) -> list[str]:
    return [name for name in ("bias", "sinks") if getattr(x, name) is not None]


@property_("G1", needs_new_oracle=True, gradient=True)
def gradient_has_the_shape_and_dtype_of_its_argument(attend: Attend, x: Inputs) -> Verdict:
    """dq, dk and dv have the shapes and dtypes of q, k and v, and are 0 where there is no output (C32: fa-ck-bwd-seqq0; C10)."""
    got = attend.gradient(x, output_gradient(x), ARRAYS)
    names = {name: got[name].dtype.name for name in ARRAYS}
    dtypes = holds(set(names.values()) == {x.dtype}, f"dtypes of the gradients={names}, but should be {x.dtype}")
    if 0 not in x.output_shape:
        return dtypes
    return dtypes & _all(identical(got[name], np.zeros_like(got[name]), f"d{name} without output") for name in ARRAYS)


@property_("G2", needs_new_oracle=True, gradient=True, needs=differentiable())
def gradients_agree_with_the_oracle(attend: Attend, x: Inputs) -> Verdict:
    """dq, dk and dv are within the derived bound (C26: fa4-softcap-bwd, fa4-lse-dpsum-index; C12: fa2-bwd-tail-mask; C10, C40)."""
    return _agree(attend, x, output_gradient(x), ARRAYS)


@property_("G3", needs_new_oracle=True, gradient=True, needs=differentiable(lambda x: bool(_tables(x))))
def bias_and_sink_gradients_agree_with_the_oracle(attend: Attend, x: Inputs) -> Verdict:
    """Asked for alone, summed where broadcast (C27: torch-mask-only-grad, mlx-mask-vjp-missing; C39: jax-dbias-batcher)."""
    return _agree(attend, x, output_gradient(x), _tables(x))


@property_(
    "G4", needs_new_oracle=True, gradient=True, options=("bias",),
    needs=differentiable(lambda x: x.sinks is None and bool(np.prod(x.score_shape) <= MOST_CELLS)),
)  # fmt: skip
def score_gradients_sum_to_zero_and_are_zero_where_masked(attend: Attend, x: Inputs) -> Verdict:
    """A bias in full shape has dS as its gradient: rows of sum 0, exact zeros where hidden (C26: rowsum of another row or head)."""
    given = np.zeros((), x.q.dtype) if x.bias is None else x.bias
    full, dout = x.replace(bias=np.broadcast_to(given, x.score_shape).copy()), output_gradient(x)
    expected = _judged(attend, full, dout)
    if expected is None:
        return VACUOUS
    got, hidden = attend.gradient(full, dout, ("bias",))["bias"], expected.exact.exact.weights == 0
    masked = identical(np.where(_masked(expected), got, 0), np.zeros_like(got), "dbias where masked")
    sums = got.astype(expected.bounds["bias"].dtype).sum(-1)
    return (
        masked & within(sums, np.zeros_like(sums), expected.bounds["bias"].sum(-1), "row sum of dbias") if hidden.size else masked
    )


def _masked(expected: ExpectedGradient) -> np.ndarray:
    return np.isneginf(expected.exact.exact.scores)


@property_("G5", needs_new_oracle=True, gradient=True, needs=differentiable(lambda x: bool((~x.visible().any(-2)).any())))
def keys_that_nobody_sees_get_no_gradient(attend: Attend, x: Inputs) -> Verdict:
    """dk and dv are exactly 0 at keys hidden from every query of the group (C33: fa4-seqused-bwd; C12: fa2-bwd-tail-mask)."""
    dout = output_gradient(x)
    expected = _judged(attend, x, dout)
    if expected is None:
        return VACUOUS
    seen = np.any(~_masked(expected), -2)
    unseen = ~seen.reshape(seen.shape[0], x.k.shape[1], x.group, -1).any(2)
    got = attend.gradient(x, dout, ARRAYS)
    pairs = ((got[name], name) for name in ("k", "v"))
    return _all(identical(one, np.zeros_like(one), f"d{name} at a hidden key", unseen) for one, name in pairs)


@property_("G6", needs_new_oracle=True, gradient=True, needs=differentiable(lambda x: x.q.shape[2] > 1))
def an_output_gradient_in_one_row_reaches_one_query(attend: Attend, x: Inputs) -> Verdict:
    """With dout in the last row alone, dq is exactly 0 elsewhere and dv one row of weights times dout (C12; C26: row indices)."""
    row = np.arange(x.q.shape[2]) == x.q.shape[2] - 1
    dout = np.where(row[:, None], output_gradient(x), 0).astype(x.q.dtype)
    if _judged(attend, x, dout) is None:
        return VACUOUS
    dq = attend.gradient(x, dout, ARRAYS)["q"]
    elsewhere = identical(np.where(row[:, None], 0, dq), np.zeros_like(dq), "dq of a row without output gradient")
    return elsewhere & _agree(attend, x, dout, ARRAYS)


@property_("G7", needs_new_oracle=True, gradient=True, needs=differentiable())
def layout_of_the_output_gradient_does_not_matter(attend: Attend, x: Inputs) -> Verdict:
    """Transposed and stride-0 output gradients, as of sum(), equal contiguous ones (C27: fa2-bwd-dout-stride, xformers-sum-backward)."""
    ones, turned = (
        np.broadcast_to(np.ones((), x.q.dtype), x.output_shape),
        output_gradient(x).swapaxes(1, 2).copy().swapaxes(1, 2),
    )
    return _all(
        _near(attend, x, dense, attend.gradient(x, strided, ARRAYS), attend.gradient(x, dense, ARRAYS), ARRAYS, ", dout strided")
        for strided, dense in ((ones, ones.copy()), (turned, output_gradient(x)))
    )


@property_("G8", needs_new_oracle=True, gradient=True, needs=differentiable(lambda x: bool((~x.visible().any(-1)).any())))
def empty_rows_give_no_gradient(attend: Attend, x: Inputs) -> Verdict:
    """A row that sees no key has dq exactly 0 and leaves no NaN anywhere (C26: fa2-bwd-nan-causal-varlen, jax-softmax-where-grad)."""
    dout = output_gradient(x)
    expected = _judged(attend, x, dout)
    if expected is None:
        return VACUOUS
    got, empty = attend.gradient(x, dout, ARRAYS), expected.exact.exact.empty
    spoiled = [name for name in ARRAYS if not np.isfinite(got[name]).all()]
    finite = holds(not spoiled, f"gradients that are not finite={', '.join(f'd{name}' for name in spoiled)}, but should be none")
    return finite & identical(got["q"], np.zeros_like(got["q"]), "dq of an empty row", empty)


@property_("G9", needs_new_oracle=True, gradient=True, needs=differentiable())
def same_gradient_twice_gives_the_same_bits(attend: Attend, x: Inputs) -> Verdict:
    """Repeating a backward pass repeats it, bit for bit where `deterministic` is declared (C30: fa2-bwd-race)."""
    dout = output_gradient(x)
    first, second = attend.gradient(x, dout, ARRAYS), attend.gradient(x, dout.copy(), ARRAYS)
    if attend.declared("deterministic"):
        return _all(identical(second[name], first[name], f"d{name} of the second call") for name in ARRAYS)
    return _near(attend, x, dout, second, first, ARRAYS, " of the second call")


@property_("G10", needs_new_oracle=True, gradient=True, needs=differentiable())
def recording_gradients_does_not_change_the_output(attend: Attend, x: Inputs) -> Verdict:
    """The output beside the gradients is near the output without (C25: jax-fwd-bwd-dtype; C17: flex-lse-zeros)."""
    got, expected = attend.gradient(x, output_gradient(x), ARRAYS)["out"], attend.expected(x)
    what = "out beside gradients"
    verdict = within(got, attend(x), 2 * expected.bounds.out, what, ~expected.exact.empty)
    return verdict_by_side(attend, x, verdict, got, attend(x), what)
