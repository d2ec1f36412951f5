"""Each claim about the layer rejects a planted fault, and all of them accept a layer without one."""

from types import SimpleNamespace

import numpy as np
import pytest

import specs.properties.layer  # noqa: F401  registers the claims
from specs import masks
from specs.claims import CLAIMS, claims_of
from specs.contract import Conventions
from specs.multi_head import call, expect, realise
from specs.multi_head_problem import LayerProblem
from specs.problem import Case

PROBLEMS = [
    LayerProblem(2, 3, 5, 7, 12),
    LayerProblem(3, 2, 5, 5, 8, "float64", masks.causal(), self_attention=True),
    LayerProblem(2, 2, 4, 6, 8, "float32", masks.random(5, 0.6, "bhij")),
    LayerProblem(2, 2, 4, 6, 8, "float32", masks.random(3, 0.6, "bj")),
    LayerProblem(2, 2, 4, 6, 8, "float32", masks.random(4, 0.6, "ij")),
    LayerProblem(1, 2, 3, 4, 8, "float32", masks.hidden_query(1)),
    LayerProblem(1, 4, 3, 1, 8),
    LayerProblem(1, 1, 2, 0, 3),
]
CASES = [Case(problem, recipe, seed) for seed, recipe in enumerate(("normal", "loud_heads")) for problem in PROBLEMS]
CALLS = []


def split(a, heads):
    return (
        a.reshape(*a.shape[:2], heads, -1).swapaxes(1, 2)
        if a.size
        else np.zeros((a.shape[0], heads, a.shape[1], a.shape[2] // heads))
    )


def join(a):
    return a.swapaxes(1, 2).reshape(a.shape[0], a.shape[2], -1)


def softmax(scores, axis=-1):
    top = scores.max(axis, keepdims=True, initial=-np.inf)
    powers = np.exp(scores - np.where(np.isneginf(top), 0, top))
    total = powers.sum(axis, keepdims=True)
    return powers / np.where(total == 0, 1, total)


def masked(scores, mask):
    return scores if mask is None else np.where(mask, scores, -np.inf)


def made(**parts):
    """A layer of exchangeable parts, in float64, so that what is wrong with it is only the fault."""
    p = SimpleNamespace(**({"split": split, "join": join, "softmax": softmax, "masked": masked, "prepare": lambda a: a} | parts))
    scale = parts.get("scale", lambda q, heads: 1 / np.sqrt(q.shape[-1]))
    finish = parts.get("finish", lambda out, w, b: out @ w + b)
    shown = parts.get("shown", lambda weights: weights)

    def multi_head(query, key, value, w_q, w_k, w_v, w_o, b_q, b_k, b_v, b_o, *, heads, mask=None, return_weights=False):
        dtype = query.dtype
        a = p.prepare({n: v for n, v in locals().items() if isinstance(v, np.ndarray) and n != "mask"})
        a = {name: array.astype(np.float64) for name, array in a.items()}
        q, k, v = (p.split(a[n] @ a[f"w_{n[0]}"] + a[f"b_{n[0]}"], heads) for n in ("query", "key", "value"))
        if "mask_once" in parts:
            mask = parts["mask_once"](mask, return_weights)
        weights = p.softmax(p.masked(q @ k.swapaxes(-1, -2) * scale(q, heads), mask))
        out = finish(p.join(weights @ v), a["w_o"], a["b_o"]).astype(parts.get("dtype", dtype))
        return (out, shown(weights).astype(dtype)) if return_weights else out

    return multi_head


def interleaved(a, heads):
    return a.reshape(*a.shape[:2], -1, heads).transpose(0, 3, 1, 2) if a.size else split(a, heads)


def writes(a):
    a["b_o"] += 1
    return a


def swapped(a):
    return a | {"w_k": a["w_v"], "w_v": a["w_k"]}


def only_the_first_head(scores, mask):
    if mask is None or mask.shape[1] > 1:
        return masked(scores, mask)
    return np.concatenate([masked(scores[:, :1], mask), scores[:, 1:]], 1)


def added_if_not_boolean(scores, mask):
    return masked(scores, mask) if mask is None or mask.dtype == bool else scores + mask


def forgets_the_last_key(scores):
    weights = softmax(scores)
    weights[..., 1:][..., -1:] = 0
    return weights


def counts(out, w, b):
    CALLS.append(1)
    return out @ w + b + len(CALLS)


def refuses_odd_heads(a):
    if a["query"].shape[1] % 2:
        raise RuntimeError("odd")
    return a


FAULTS = {
    "layer_answers_every_problem": made(prepare=refuses_odd_heads),
    "layer_output_has_shape_and_dtype": made(dtype=np.float16),
    "layer_leaves_inputs_alone": made(prepare=writes),
    "layer_agrees_with_the_oracle": made(finish=lambda out, w, b: out @ w.T + b),
    "layer_empty_rows_follow_the_declaration": made(masked=lambda s, m: s if m is None else np.where(m, s, -1e30)),
    "layer_weights_agree_with_the_oracle": made(shown=lambda w: np.broadcast_to(w.mean(1, keepdims=True), w.shape)),
    "layer_output_does_not_depend_on_returning_weights": made(mask_once=lambda mask, shown: None if shown else mask),
    "layer_same_call_twice_gives_the_same": made(finish=counts),
    "layer_masked_keys_have_no_influence": made(masked=lambda s, m: s if m is None else s + np.where(m, 0, -1e4)),
    "layer_all_true_mask_is_no_mask": made(masked=lambda s, m: s if m is None else np.where(m, -np.inf, s)),
    "layer_zeros_and_ones_are_a_mask": made(masked=added_if_not_boolean),
    "layer_broadcast_mask_is_the_full_mask": made(masked=only_the_first_head),
    "layer_permuting_the_batch_permutes_the_output": made(masked=lambda s, m: s if m is None else masked(s, m[:1])),
    "layer_query_rows_are_independent": made(softmax=lambda s: softmax(s, -2)),
    "layer_permuting_the_keys_changes_nothing": made(softmax=forgets_the_last_key),
    "layer_permuting_the_heads_changes_nothing": made(split=interleaved),
    "layer_identity_projections_give_attention": made(scale=lambda q, heads: 1 / np.sqrt(q.shape[-1] * heads)),
    "layer_constant_values_come_back": made(softmax=lambda s: softmax(s, 1)),
}

MORE = {
    "output bias left out": made(finish=lambda out, w, b: out @ w),
    "output bias added twice": made(finish=lambda out, w, b: out @ w + 2 * b),
    "value bias left out": made(prepare=lambda a: a | {"b_v": 0 * a["b_v"]}),
    "weights of the wrong layout": made(prepare=lambda a: a | {"w_q": a["w_q"].T}),
    "key and value weights exchanged": made(prepare=swapped),
    "heads not put back in order": made(join=lambda a: a.reshape(a.shape[0], a.shape[2], -1)),
    "heads interleaved on both sides": made(
        split=interleaved, join=lambda a: a.transpose(0, 2, 3, 1).reshape(a.shape[0], a.shape[2], -1)
    ),
    "mask of the first head for all": made(masked=lambda s, m: s if m is None else masked(s, m[:, :1])),
    "weights rounded to half precision": made(softmax=lambda s: softmax(s).astype(np.float16).astype(np.float64)),
    "no scale": made(scale=lambda q, heads: 1.0),
    "query scaled twice": made(scale=lambda q, heads: 1 / q.shape[-1]),
}


class Attend:
    """The function, called in this process; answers are kept by the identity of the inputs."""

    def __init__(self, function):
        self.function, self.kept = function, {}

    def _kept(self, kind, x, make):
        if (kind, id(x)) not in self.kept:
            self.kept[kind, id(x)] = x, make()
        return self.kept[kind, id(x)][1]

    def _ask(self, x, **more):
        asked = call(x)
        return self.function(*(a.copy() for a in asked.arrays.values()), **asked.options, **more)

    def __call__(self, x):
        return self._kept("out", x, lambda: self._ask(x))

    def again(self, x):
        return self._ask(x)

    def extra(self, x, name):
        return self._kept(name, x, lambda: self._ask(x, return_weights=True))[1]

    def out_beside(self, x, name):
        return self._kept(name, x, lambda: self._ask(x, return_weights=True))[0]

    def expected(self, x):
        return self._kept("expected", x, lambda: expect(x, Conventions(), None))

    def declared(self, name):
        return getattr(Conventions(), name)

    def facts(self, x):
        given = {name: array.copy() for name, array in call(x).arrays.items()}
        out = self.function(*given.values(), **call(x).options)
        changed = tuple(n for n, a in given.items() if not np.array_equal(a, getattr(x, n)))
        return SimpleNamespace(changed=changed, aliased=tuple(n for n, a in given.items() if np.may_share_memory(out, a)))


def rejected(claim, function, cases=CASES):
    """The cases on which the claim rejects the function; an exception is a rejection."""
    found = []
    for case in cases:
        x = realise(case)
        try:
            if claim.needs(x) and not claim.check(Attend(function), x).holds:
                found.append(case)
        except RuntimeError:
            found.append(case)
    return found


LAYER_CLAIMS = [c for c in claims_of("multi-head") if c.clause != "L0" and not c.over_run]
"""All but the worked example, which has a case of its own and is tested with it, and what is claimed of whole runs."""


@pytest.mark.parametrize("name", [c.name for c in LAYER_CLAIMS])
def test_a_sound_layer_is_accepted(name):
    assert not rejected(CLAIMS[name], made())


@pytest.mark.parametrize("name", [c.name for c in LAYER_CLAIMS])
def test_each_claim_rejects_its_fault(name):
    assert rejected(CLAIMS[name], FAULTS[name])


@pytest.mark.parametrize("fault", MORE)
def test_the_oracle_rejects(fault):
    assert rejected(CLAIMS["layer_agrees_with_the_oracle"], MORE[fault])


def test_each_claim_can_tell_something_from_these_cases():
    for claim in LAYER_CLAIMS:
        judged = [claim.check(Attend(made()), x) for x in map(realise, CASES) if claim.needs(x)]
        assert any(not verdict.vacuous for verdict in judged), claim.name
