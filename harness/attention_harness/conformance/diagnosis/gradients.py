"""Readings of the backward pass: terms that are left out, applied twice, or summed otherwise."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from attention_harness.conformance.diagnosis.observations import Asked, Prediction
from attention_harness.conformance.diagnosis.readings import register
from attention_specs.attention.gradients import Gradients, gradients, over_group, seen_keys, summed_to
from attention_specs.attention.inputs import Inputs
from attention_specs.attention.oracle import default_scale
from attention_specs.properties.gradients import output_gradient

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
        return self.by_products(scores * self.right.slopes * self.scale) | self._bias(scores)

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

    def _bias(self, scores: np.ndarray) -> dict[str, np.ndarray]:
        return {} if self.x.bias is None else {"dbias": summed_to(scores, self.x.bias.shape)}


Change = Callable[[Pass], dict[str, np.ndarray]]


def _predict(change: Change, asked: Asked, result: str) -> Prediction | None:
    """The changed gradient within twice the bound of the right one, as far as it is larger."""
    if result not in RESULTS:
        return None
    wrong = change(Pass(asked)).get(result)
    if wrong is None:
        return None
    right = asked.predicted(result)
    with np.errstate(all="ignore"):
        growth = np.abs(wrong).max(initial=0) / max(np.abs(right.values).max(initial=0), np.finfo(np.float64).tiny)
    return Prediction(wrong, right.bound * max(2.0, 2 * float(growth)), right.rows)


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


def _open_weights(p: Pass) -> dict[str, np.ndarray]:
    """exp(s - lse) also where hidden."""
    x = p.x.replace(mask=None, is_causal=False, window=None, query_lengths=None, key_lengths=None)
    lse = p.right.exact.lse
    return p.by_weights(np.exp(gradients(x, p.right.dout).exact.scores - np.where(np.isneginf(lse), np.inf, lse)[..., None]))


def _base_two(p: Pass) -> dict[str, np.ndarray]:
    exact = p.right.exact
    seen = ~np.isneginf(exact.scores)
    return p.by_weights(np.where(seen, np.exp2(exact.scores - np.where(seen.any(-1), exact.lse, 0)[..., None]), 0))


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
    "weights of the backward pass leave out the sink": _without_sink,
    "the slope of the softcap is left out of the backward pass": lambda p: _other_slopes(p, np.ones_like),
    "the slope of the softcap is 1 - tanh, without the square": lambda p: _other_slopes(p, lambda t: 1 - t),
    "the gradient of the bias has the slope of the softcap": _sloped_bias,
    "hidden keys count in the backward pass": _open_weights,
    "dk and dv are those of the first head of each group": partial(_per_group, order="first"),
    "dk and dv are those of the last head of each group": partial(_per_group, order="last"),
    "dk and dv are the mean over the group": partial(_per_group, order="mean"),
    "key head h gets dk and dv of the query heads h, h + Hkv, ...": partial(_per_group, order="tiled"),
    "the gradient of the bias is the mean over the axes of its broadcast": _bias_mean,
    "the gradient of the bias is scaled": lambda p: _times(p, "dbias", p.scale),
    "the gradient of the bias is summed over the batch": _bias_over_batch,
    "the gradient of the sinks has the other sign": lambda p: _times(p, "dsinks", -1.0),
    **{f"{name} is not written: zeros": partial(_without, name=name) for name in RESULTS},
}

for _name, _change in CHANGES.items():
    register(_name, _name, partial(_predict, _change))
