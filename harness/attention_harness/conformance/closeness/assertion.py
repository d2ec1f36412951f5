"""Closeness to the definition for anybody's arrays: the derived bound of the output, and an assertion in place of `allclose`.

`specs/precision.md` derives the bound. `docs/assert-attention-close.md` has the rules in use today beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Unpack

import numpy as np

from attention_harness.conformance.closeness.calls import GivenCall, Options, given_call
from attention_harness.frameworks.values import values
from attention_specs.attention.spec import Expected, beyond, expect
from attention_specs.judge import error_ratios, holds, within
from attention_specs.precision import default_model, named_precision

CELLS = 1 << 20
"""Scores that are worked out at once: in float64, arrays of 8 MiB."""


@dataclass(frozen=True, eq=False)
class OutputBound:
    """The right output and its bound, in the layout of the call: [B, Lq, Hq, Dv] under "blhd"."""

    exact: np.ndarray
    """[B, Hq, Lq, Dv], in float64, or in extended precision for float64 inputs."""
    bound: np.ndarray
    """[B, Hq, Lq, Dv], float64: the largest |out - exact|; 0 in a row that sees no key and gives zeros or NaN."""
    specified: np.ndarray
    """Bool [B, Hq, Lq]: False in rows that see no key and whose answer is declared as "unspecified"."""
    precision: str
    """The precision model of the bound."""


def attention_bound(
    q: Any, k: Any, v: Any, *, precision: str | None = None, layout: str = "bhld", **options: Unpack[Options]
) -> OutputBound:
    """The exact output of attention and the largest error of each of its elements, `.exact` and `.bound`: [B, Hq, Lq, Dv].

    q [B, Hq, Lq, D], k [B, Hkv, Lk, D], v [B, Hkv, Lk, Dv]; with `layout="blhd"` [B, L, H, D], and so is the answer. Arrays of NumPy,
    torch (any device, with or without gradient) or JAX, in float64, float32, bfloat16 or float16, all in one dtype. The options are
    those of the contract (`specs/attention.md`, O1), and the conventions `causal_alignment`, `window_alignment`, `empty_rows` (C).
    `precision` is a model of `specs/precision.md`, or several joined by `+`: the formats in which the implementation rounds, by
    default "exact", in 16 bits "scores-rounded". Lengths are numbers of positions.

    Raises ValueError for arrays that are none, that do not fit, or of several dtypes, for an unknown option, layout or model, for
    numbers that are not finite where a query sees them, and where a step may leave the range of a format.
    """
    return _bound(given_call(q, k, v, layout, options), precision)


def assert_attention_close(
    out: Any, q: Any, k: Any, v: Any, *, precision: str | None = None, layout: str = "bhld", **options: Unpack[Options]
) -> None:
    """Raises AssertionError unless each element of `out` is within the derived bound of attention of q, k and v.

    out [B, Hq, Lq, Dv] in the dtype of q; everything else as in `attention_bound`, which raises the same ValueErrors. No tolerance is
    chosen: the bound follows from the data and from the formats in which the implementation rounds (`specs/precision.md`). The text
    names the worst element, its value, the right one and the bound, and says how many elements are beyond. It takes about as long as
    seven float64 products q k^T, and for float64, computed in extended precision, some thirty times that.
    """
    __tracebackhide__ = True  # pytest shows the line of the caller
    call = given_call(q, k, v, layout, options)
    got, shape, dtype = values(out, "out"), call.output_shape, call.x.q.dtype
    verdict = holds(got.dtype == dtype, f"dtype of out={got.dtype.name}, but should be that of q, {dtype.name}")
    verdict &= holds(got.shape == shape, f"shape of out={got.shape}, but should be {shape}")
    if not verdict.holds:
        raise AssertionError(verdict.message)
    right = _bound(call, precision, got)
    verdict = within(got, right.exact, right.bound, "out", right.specified)
    if not verdict.holds:
        raise AssertionError(_text(verdict.message, got, right, dtype.name))


def _text(sentence: str, got: np.ndarray, right: OutputBound, dtype: str) -> str:
    ratios = np.where(right.specified[..., None], error_ratios(got, right.exact, right.bound), 0.0)
    beyond_bound, worst = int((~(ratios <= 1)).sum()), float(ratios.max())
    return (
        f"{sentence}\n"
        f"{beyond_bound:,} of {ratios.size:,} elements are beyond the bound (precision={right.precision}, {dtype}), "
        f"error / bound up to {worst:.3g}\n"
        "next: `attention-harness check FILE.py:NAME` finds the smallest problem and the option that fail, "
        "`attention-harness probe FILE.py:NAME` the precision that holds"
    )


def _bound(call: GivenCall, precision: str | None, got: np.ndarray | None = None) -> OutputBound:
    """The bound of the call. Where `got` is within a part of it that costs less, that part stands for the whole.

    So for an answer that is right by a wide margin the scores' errors are never worked out.
    """
    x, model = call.x, precision or default_model(call.x.dtype)
    if step := beyond(x, named_precision(model, x.dtype)):
        raise ValueError(f"range={step} may leave that of its format, but should not under precision={model}; name another one")
    exact, bound = np.empty(x.output_shape, np.longdouble if x.dtype == "float64" else float), np.empty(x.output_shape)
    specified = np.empty(x.output_shape[:3], bool)
    given = None if got is None else call.turned(got)
    for part in parts(x.score_shape):
        expected = expect(x.part(*part), call.conventions, model)
        _require_finite(expected)
        exact[part], specified[part] = expected.out, expected.specified
        bound[part] = expected.out_bound if given is None else _least(given[part], expected)
    return OutputBound(call.turned(exact), call.turned(bound), call.turned(specified), model)


def parts(scores: tuple[int, int, int, int], cells: int = CELLS) -> Iterator[tuple[slice, slice]]:
    """Batch entries and query heads that are worked out together: whole heads, of at most `cells` scores if there are several."""
    batch, heads, rows, keys = scores
    heads_at_once = min(max(cells // max(rows * keys, 1), 1), max(heads, 1))
    entries_at_once = max(cells // max(rows * keys * heads, 1), 1) if heads_at_once == max(heads, 1) else 1
    for entry in range(0, batch, entries_at_once):
        for head in range(0, heads, heads_at_once):
            yield slice(entry, entry + entries_at_once), slice(head, head + heads_at_once)


def _least(got: np.ndarray, expected: Expected) -> np.ndarray:
    """The share of right scores in the bound, if the answer is within that, else the whole bound."""
    least = np.where(expected.exact.empty[..., None], 0.0, expected.bounds.out_of_right_scores)
    close = within(got, expected.out, least, rows=expected.specified).holds
    return least if close else expected.out_bound


def _require_finite(expected: Expected) -> None:
    """ValueError for numbers that are not finite in a query that sees a key, or in a key or value that a query sees."""
    x = expected.asked
    if all(bool(np.isfinite(a).all()) for a in (x.q, x.k, x.v)):
        return
    visible = x.visible()
    for name, a, used in (("q", x.q, visible.any(-1)), ("k", x.k, visible.any(-2)), ("v", x.v, visible.any(-2))):
        wrong = a[np.asarray(used)[..., None] & ~np.isfinite(a)]
        if wrong.size:
            raise ValueError(
                f"{name}={wrong[0]} where a query sees a key, but should be finite there: only then is there a bound"
            )
