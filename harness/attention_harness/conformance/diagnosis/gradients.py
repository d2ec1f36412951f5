"""Readings of the backward pass: terms that are left out, applied twice, or summed otherwise."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from attention_harness.conformance.diagnosis.observations import Asked, Prediction
from attention_harness.conformance.diagnosis.readings import register
from attention_specs.attention.gradients import Gradients, gradients, over_group, seen_keys, summed_to
from attention_specs.attention.inputs import RULES, Inputs
from attention_specs.attention.oracle import default_scale
from attention_specs.properties.gradients import output_gradient
from attention_specs.remembered import remembered

RESULTS = ("dq", "dk", "dv", "dbias", "dsinks")


class Pass:
    """A right backward pass, and its gradients from other steps."""

    def __init__(self, asked: Asked) -> None:
        assert isinstance(asked.x, Inputs)
        self.x = asked.x
        self.right: Gradients = gradients(asked.x, output_gradient(asked.x))
        self.scale = float(default_scale(asked.x))

    def by_scores(self, scores: np.ndarray) -> dict[str, np.ndarray]:
        """The gradients that follow from another dS."""
        return self.by_products(scores * self.right.slopes * self.scale) | self.of_bias(scores)

    def by_products(self, scaled: np.ndarray) -> dict[str, np.ndarray]:
        """dq and dk from another gradient of the products."""
        dk = over_group(scaled.swapaxes(-1, -2) @ self.x.q.astype(scaled.dtype), self.x)
        return {"dq": scaled @ seen_keys(self.x), "dk": dk}

    def by_weights(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """All gradients from other weights."""
        g = self.right
        dv = over_group(weights.swapaxes(-1, -2) @ g.dout, self.x)
        return self.by_scores(weights * (g.products - g.means[..., None])) | {"dv": dv}

    def by_means(self, means: np.ndarray) -> dict[str, np.ndarray]:
        """All gradients from other row sums D."""
        g = self.right
        return self.by_scores(g.exact.weights * (g.products - means[..., None]))

    def of_bias(self, scores: np.ndarray) -> dict[str, np.ndarray]:
        """The gradient of the bias from another dS."""
        return {} if self.x.bias is None else {"dbias": summed_to(scores, self.x.bias.shape)}


@remembered
def backward_pass(asked: Asked) -> Pass:
    """The right backward pass of a call."""
    return Pass(asked)


HIDING = ("mask", *RULES)
"""Options that hide keys."""

Change = Callable[[Pass], dict[str, np.ndarray]]


def _predict(change: Change, asked: Asked, result: str) -> Prediction | None:
    """The changed gradient, within the largest bound of the right one and as much more as it is larger; None where all is right."""
    wrong = change(backward_pass(asked)).get(result) if result in RESULTS else None
    if wrong is None:
        return None
    right = asked.predicted(result)
    if not right.beyond(wrong).any():
        return None
    with np.errstate(all="ignore"):
        growth = np.abs(wrong).max(initial=0) / max(np.abs(right.values).max(initial=0), np.finfo(np.float64).tiny)
    most = right.bound.max(initial=0) * max(2.0, 2 * float(growth))
    return Prediction(wrong, np.full(right.values.shape, most), right.rows)


def _per_group(p: Pass, order: str) -> dict[str, np.ndarray]:
    """dk and dv that are not summed over the group, or summed over other heads."""
    g, x = p.right, p.x
    if x.group == 1:
        return {}
    scaled = g.scores * g.slopes * p.scale
    parts = {"dk": scaled.swapaxes(-1, -2) @ x.q.astype(scaled.dtype), "dv": g.exact.weights.swapaxes(-1, -2) @ g.dout}
    return {name: _gathered(a, x, order) for name, a in parts.items()}


def _gathered(a: np.ndarray, x: Inputs, order: str) -> np.ndarray:
    b, _, length, n = a.shape
    grouped = a.reshape(b, x.k.shape[1], x.group, length, n)
    if order == "tiled":
        return a.reshape(b, x.group, x.k.shape[1], length, n).sum(1)
    return {"first": grouped[:, :, 0], "last": grouped[:, :, -1], "mean": grouped.mean(2)}[order]


def _divided(p: Pass, name: str) -> dict[str, np.ndarray]:
    return {name: getattr(p.right, name) / p.scale} if p.scale else {}


def _without(p: Pass, name: str) -> dict[str, np.ndarray]:
    right = getattr(p.right, name)
    return {} if right is None else {name: np.zeros_like(right)}


def _times(p: Pass, name: str, factor: float) -> dict[str, np.ndarray]:
    right = getattr(p.right, name)
    return {} if right is None else {name: factor * right}


def _bias_mean(p: Pass) -> dict[str, np.ndarray]:
    if p.right.dbias is None or not p.right.dbias.size:
        return {}
    return {"dbias": p.right.dbias * p.right.dbias.size / np.prod(p.x.score_shape)}


def _bias_over_batch(p: Pass) -> dict[str, np.ndarray]:
    d = p.right.dbias
    return {} if d is None or d.ndim < 4 else {"dbias": np.broadcast_to(d.sum(0, keepdims=True), d.shape)}


def _opened(p: Pass, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Gradients that count what these rules hide, by weights exp(s - lse) with the right lse."""
    other = p.x.replace(**{name: RULES.get(name) for name in names})
    if not (other.allowed() & ~p.x.allowed()).any():
        return {}
    g, lse = gradients(other, p.right.dout), p.right.exact.lse
    weights = np.exp(g.exact.scores - np.where(np.isneginf(lse), np.inf, lse)[..., None])
    scores = weights * (g.products - p.right.means[..., None])
    scaled = scores * g.slopes * p.scale
    dk, dv = (over_group(a.swapaxes(-1, -2) @ b, p.x) for a, b in ((scaled, p.x.q.astype(scaled.dtype)), (weights, g.dout)))
    return {"dq": scaled @ seen_keys(other), "dk": dk, "dv": dv} | p.of_bias(scores)


def _last_key(p: Pass, name: str) -> dict[str, np.ndarray]:
    """A gradient of keys or values that is 0 at the last key."""
    right = getattr(p.right, name)
    n = right.shape[2]
    return {name: np.where((np.arange(n) < n - 1)[:, None], right, 0)} if n > 1 else {}


def _without_last_query(p: Pass, name: str) -> dict[str, np.ndarray]:
    """dk or dv as the sum over all queries but the last."""
    g = p.right
    others = (np.arange(p.x.q.shape[2]) < p.x.q.shape[2] - 1)[:, None]
    if name == "dv":
        return {"dv": over_group(np.where(others, g.exact.weights, 0).swapaxes(-1, -2) @ g.dout, p.x)}
    return {"dk": p.by_products(np.where(others, g.scores * g.slopes * p.scale, 0))["dk"]}


def _whole_blocks(p: Pass) -> dict[str, np.ndarray]:
    """dq without the keys behind the last full block of 16."""
    n = p.x.k.shape[2] // 16 * 16
    kept = np.arange(p.x.k.shape[2]) < n
    return {"dq": p.by_products(np.where(kept, p.right.scores * p.right.slopes * p.scale, 0))["dq"]} if n else {}


def _base_two(p: Pass) -> dict[str, np.ndarray]:
    exact = p.right.exact
    seen = ~np.isneginf(exact.scores)
    return p.by_weights(np.where(seen, np.exp2(exact.scores - np.where(seen.any(-1), exact.lse, 0)[..., None]), 0))


def _first_lse(p: Pass) -> dict[str, np.ndarray]:
    exact = p.right.exact
    seen = ~np.isneginf(exact.scores)
    return p.by_weights(np.where(seen, np.exp(exact.scores - np.where(seen.any(-1), exact.lse[:, :1], 0)[..., None]), 0))


def _other_slopes(p: Pass, slopes: Callable[[np.ndarray], np.ndarray]) -> dict[str, np.ndarray]:
    if p.x.softcap is None:
        return {}
    return p.by_products(p.right.scores * slopes(np.tanh(p.right.exact.scaled / p.x.softcap)) * p.scale)


def _sloped_bias(p: Pass) -> dict[str, np.ndarray]:
    if p.x.softcap is None or p.x.bias is None:
        return {}
    return {"dbias": summed_to(p.right.scores * p.right.slopes, p.x.bias.shape)}


def _without_sink(p: Pass) -> dict[str, np.ndarray]:
    if p.x.sinks is None:
        return {}
    left = 1 - p.right.exact.sink_weights
    return p.by_weights(p.right.exact.weights / np.where(left == 0, 1, left)[..., None])


CHANGES: dict[str, Change] = {
    "dq is not scaled": partial(_divided, name="dq"),
    "dk is not scaled": partial(_divided, name="dk"),
    "dq is scaled twice": lambda p: _times(p, "dq", p.scale),
    "dk is scaled twice": lambda p: _times(p, "dk", p.scale),
    "the softmax's rowsum is left out of the backward pass": lambda p: p.by_means(0 * p.right.means),
    "all heads have the rowsum of head 0 in the backward pass": lambda p: p.by_means(
        np.broadcast_to(p.right.means[:, :1], p.right.means.shape)
    ),
    "all batch entries have the rowsum of entry 0 in the backward pass": lambda p: p.by_means(
        np.broadcast_to(p.right.means[:1], p.right.means.shape)
    ),
    "weights of the backward pass are 2 ** (s - lse)": _base_two,
    "all heads have the lse of head 0 in the backward pass": _first_lse,
    "weights of the backward pass leave out the sink": _without_sink,
    "the slope of the softcap is left out of the backward pass": lambda p: _other_slopes(p, np.ones_like),
    "the slope of the softcap is 1 - tanh, without the square": lambda p: _other_slopes(p, lambda t: 1 - t),
    "the gradient of the bias has the slope of the softcap": _sloped_bias,
    **{f"{name} is ignored in the backward pass": partial(_opened, names=(name,)) for name in HIDING},
    "hidden keys count in the backward pass": partial(_opened, names=HIDING),
    **{f"{name} is 0 at the last key": partial(_last_key, name=name) for name in ("dk", "dv")},
    **{f"the last query does not count in {name}": partial(_without_last_query, name=name) for name in ("dk", "dv")},
    "keys behind the last full block of 16 do not count in dq": _whole_blocks,
    "dk and dv are those of the first head of each group": partial(_per_group, order="first"),
    "dk and dv are those of the last head of each group": partial(_per_group, order="last"),
    "dk and dv are the mean over the group": partial(_per_group, order="mean"),
    "key head h gets dk and dv of the query heads h + n * Hkv": partial(_per_group, order="tiled"),
    "the gradient of the bias is the mean over the axes of its broadcast": _bias_mean,
    "the gradient of the bias is scaled": lambda p: _times(p, "dbias", p.scale),
    "the gradient of the bias is summed over the batch": _bias_over_batch,
    "the gradient of the sinks has the other sign": lambda p: _times(p, "dsinks", -1.0),
    **{f"{name} is not written: zeros": partial(_without, name=name) for name in RESULTS},
}

for _name, _change in CHANGES.items():
    register(_name, partial(_predict, _change))
