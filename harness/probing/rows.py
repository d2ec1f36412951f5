"""What a row gives that may attend to nothing, by each way of hiding its keys."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np

from harness.isolation import REFUSALS, Trouble
from harness.probing.experiments import Found, experiment
from harness.probing.lab import Lab
from specs import masks
from specs.contract import CHOICES
from specs.judge import within

FORMS = {
    "one query": masks.hidden_query(1),
    "one batch entry": masks.key_padding((0, 6)),
    "some rows of some heads": masks.random(3, 0.5, "bhi"),
}
"""Masks that come in three broadcast shapes."""


@experiment(layers=True)
def empty_rows(lab: Lab) -> Found:
    """Rows hidden by a mask, by a bias of -inf, and by each rule that the signature names."""
    fates: dict[str, dict[str, str]] = defaultdict(dict)
    for form, what, x, reading in _hidden(lab):
        fates[form][what] = _fate(lab, x, reading)
    said = {form: _one(fate) for form, fate in fates.items()}
    return Found("empty_rows", _value(said), _evidence(fates) if fates else "its signature has nothing that hides a row")


def _one(fate: dict[str, str]) -> str:
    """What all that answered give, or nothing."""
    values = set(fate.values()) - {"refused"}
    return values.pop() if len(values) == 1 else ""


def _value(said: dict[str, str]) -> Any:
    if not said or not set(said.values()) <= set(CHOICES["empty_rows"]):
        return None
    return dict(said) if len(set(said.values())) > 1 else next(iter(said.values()))


def _evidence(fates: dict[str, dict[str, str]]) -> str:
    return "; ".join(
        f"by {form}: {_one(fate)}"
        if _one(fate)
        else f"by {form}: " + ", ".join(f"{what} {gives}" for what, gives in fate.items())
        for form, fate in fates.items()
    )


def _hidden(lab: Lab) -> Iterator[tuple[str, str, Any, Any]]:
    """Form, what is hidden, the call, and the same in the words of the specification."""
    calls = [(what, lab.x(mask=mask)) for what, mask in FORMS.items()]
    calls += [(dtype, lab.x(mask=FORMS["one query"], dtype=dtype)) for dtype in lab.dtypes if dtype != lab.dtype]
    if lab.takes("mask"):
        yield from (("mask", what, x, x) for what, x in calls)
    if lab.takes("bias"):
        biased = ((what, x.replace(mask=None, bias=_infinite(x))) for what, x in calls)
        yield from (("bias", what, x, x) for what, x in biased)
    yield from () if lab.layer else _by_rule(lab)


RULES: dict[str, Any] = {"key_lengths": (0, 6), "query_lengths": (5, 2), "window": (0, 0)}


def _by_rule(lab: Lab) -> Iterator[tuple[str, str, Any, Any]]:
    """Rules count as masks, since that is how the specification reads them."""
    for name, value in RULES.items():
        if lab.takes(name):
            x = lab.x(queries=9, **{name: value})
            yield "mask", name, x, x
    if lab.takes("is_causal") and lab.bottom_right:
        x = lab.x(queries=9, is_causal=True)
        yield "mask", "is_causal", x, x.replace(is_causal=False, mask=masks.window(None, -3).dense(*x.score_shape))


def _infinite(x: Any) -> np.ndarray:
    return np.where(x.mask, 0.0, -np.inf).astype(x.q.dtype)


def _fate(lab: Lab, x: Any, reading: Any) -> str:
    """Which convention the empty rows follow."""
    try:
        out = lab(x)
    except Trouble as trouble:
        if trouble.outcome not in REFUSALS:
            raise
        return "refused"
    return next((choice for choice in map(str, CHOICES["empty_rows"]) if _follows(lab, reading, out, choice)), "something else")


def _follows(lab: Lab, x: Any, out: np.ndarray, choice: str) -> bool:
    expected = lab.expected(x, empty_rows=choice)
    bound = expected.bounds.out if lab.layer else _mean_error(lab, x) if choice == "uniform" else 0.0
    return within(out, expected.out.astype(np.float64), bound, rows=expected.exact.empty).holds


def _mean_error(lab: Lab, x: Any) -> np.ndarray:
    """The bound of the plain mean: that of equal scores over all keys."""
    plain = dict.fromkeys(("mask", "bias", "window", "query_lengths", "key_lengths"))
    bound: np.ndarray = lab.expected(x.replace(q=np.zeros_like(x.q), is_causal=False, **plain)).bounds.out
    return bound
