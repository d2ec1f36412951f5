"""Functions that answer some calls only are probed there; a question outside is no difference."""

from __future__ import annotations

import numpy as np
import pytest

from attention_harness.probe.experiments import EXPERIMENTS
from attention_harness.probe.report import DIFFERS, MATCHES, NOTED, OWED, UNTOLD, ProbeReport
from attention_harness.probe.session import ProbeSession
from attention_harness.registry.targets import Target
from attention_specs.attention.inputs import Inputs

SLOW = ("deterministic", "batch_invariant", "thread_safe", "checks_shapes")
NOT_PRECISION = (*SLOW, "precision")


def control(
    q, k, v, *, mask=None, bias=None, is_causal=False, bottom_right=False, window=None, window_end=False, scale=None, rows="zeros",
    number=None,
):  # fmt: skip
    """The control of which the functions below are made; `number` is the type of the scale."""
    work = np.float64 if q.dtype == np.float64 else np.float32
    k, v = (np.repeat(a.astype(work), q.shape[1] // a.shape[1], 1) for a in (k, v))
    scale = q.shape[3] ** -0.5 if scale is None else scale
    s = q.astype(work) @ k.swapaxes(-1, -2) * work(scale if number is None else number(scale))
    s = s if bias is None else s + bias.astype(work)
    seen = np.ones(s.shape, bool) if mask is None else np.broadcast_to(mask, s.shape)
    ahead, end = np.arange(s.shape[3]) - np.arange(s.shape[2])[:, None], s.shape[3] - s.shape[2]
    seen = seen & (ahead <= end * bottom_right) if is_causal else seen
    if window is not None:
        seen = seen & (ahead >= end * window_end - window[0]) & (ahead <= end * window_end + window[1])
    s = np.where(seen, s, -np.inf)
    empty = (s == -np.inf).all(-1, keepdims=True)
    p = np.exp(s - np.where(empty, 0, s.max(-1, keepdims=True, initial=-np.inf)))
    out = p / np.where(empty, 1, p.sum(-1, keepdims=True)) @ v
    given = {"zeros": 0, "nan": np.nan, "uniform": v.sum(2, keepdims=True) / max(v.shape[2], 1)}[rows]
    return np.where(empty, given, out).astype(q.dtype)


def only(condition, error=ValueError, **kept):
    """A control that answers where the condition on (q, k, v, is_causal) holds."""

    def attention(q, k, v, *, mask=None, is_causal=False):
        if not condition(q, k, v, is_causal):
            raise error("not these sizes")
        return control(q, k, v, mask=mask, is_causal=is_causal, **kept)

    return attention


def asked_for(name):
    """A control that wants an option."""

    def attention(q, k, v, *, mask=None, scale=None):
        if {"mask": mask, "scale": scale}[name] is None:
            raise ValueError(f"{name} is needed")
        return control(q, k, v, mask=mask, scale=scale)

    return attention


@pytest.fixture
def observations_of(subject_of):
    """Function -> name -> value, verdict and evidence of all quick experiments."""

    def find(function, skip=NOT_PRECISION):
        session = ProbeSession(subject_of(function), 0)
        observations = [f for e in EXPERIMENTS.values() if e.suits(session) and e.name not in skip for f in e(session)]
        report = ProbeReport(Target("mine", "mine:attention"), session.under_test.description, observations)
        return {f.name: (f.value, report.verdict(f), f.evidence) for f in observations}

    return find


DOMAINS = [
    ("is_causal", only(lambda q, k, v, causal: causal)),
    ("is_causal", only(lambda q, k, v, causal: causal, NotImplementedError)),
    ("head_dim == 64", only(lambda q, k, v, causal: q.shape[3] == 64)),
    ("head_dim == 128", only(lambda q, k, v, causal: q.shape[3] == 128, AssertionError)),
    ("lengths in blocks of 16", only(lambda q, k, v, causal: q.shape[2] % 16 == k.shape[2] % 16 == 0)),
    ("lengths in blocks of 64", only(lambda q, k, v, causal: q.shape[2] % 64 == k.shape[2] % 64 == 0)),
    ("batch == 1", only(lambda q, k, v, causal: len(q) == 1)),
    ("one key head", only(lambda q, k, v, causal: k.shape[1] == 1)),
    ("one head", only(lambda q, k, v, causal: q.shape[1] == 1)),
    ("one query", only(lambda q, k, v, causal: q.shape[2] == 1)),
    ("a scale", asked_for("scale")),
    ("a mask", asked_for("mask")),
    (
        "is_causal, lengths in blocks of 64, head_dim == 64",
        only(lambda q, k, v, causal: causal and q.shape[3] == 64 and q.shape[2] % 64 == k.shape[2] % 64 == 0),
    ),
    ("", only(lambda q, k, v, causal: q.shape[2:] == k.shape[2:])), ("", only(lambda q, k, v, causal: q.shape[1] == k.shape[1])),
    ("", only(lambda q, k, v, causal: q.shape[2] <= k.shape[2])), ("", only(lambda q, k, v, causal: q.shape[2] >= k.shape[2])),
    ("", only(lambda q, k, v, causal: q.shape[3] == v.shape[3] and k.shape[2] > 0)),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("conditions", "function"), DOMAINS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_function_is_probed_inside_what_it_answers(conditions, function, observations_of):
    observations = observations_of(function)
    assert observations.get("answered only with", ("",))[0] == conditions
    assert {verdict for _, verdict, _ in observations.values()} <= {MATCHES, UNTOLD, NOTED, "could be declared"}, observations
    untold = [evidence for value, verdict, evidence in observations.values() if verdict == UNTOLD]
    assert all(evidence.startswith("not asked: ") for evidence in untold)
    assert {"float32", "float64"} <= set(observations["dtypes"][0]) and observations["layout"][1] == MATCHES


def test_what_only_one_dtype_answers_is_probed_in_it(observations_of):
    observations = observations_of(only(lambda q, k, v, causal: q.dtype == np.float16 and causal and q.shape[3] == 64))
    assert observations["dtypes"][0] == ("float16",) and observations["answered only with"][0] == "is_causal, head_dim == 64"
    assert observations["causal_alignment"][0] == "top-left" and observations["mask_means"][0] == "visible"


def test_dtypes_may_answer_under_conditions_of_their_own(observations_of):
    observations = observations_of(only(lambda q, k, v, causal: q.dtype != np.float16 or q.shape[3] == 64))
    assert observations["answered only with"][0] == {
        "float32": "any",
        "float64": "any",
        "bfloat16": "any",
        "float16": "head_dim == 64",
    }


def test_the_side_of_causality_is_told_where_it_can_be(observations_of):
    for condition in (
        lambda q, k, v, causal: causal,
        lambda q, k, v, causal: q.shape[2] == 1,
        lambda q, k, v, causal: q.shape[2] <= k.shape[2],
    ):
        assert observations_of(only(condition, bottom_right=True))["causal_alignment"][:2] == ("bottom-right", OWED)
    square = observations_of(only(lambda q, k, v, causal: q.shape[2] == k.shape[2], bottom_right=True))["causal_alignment"]
    assert square[:2] == (None, UNTOLD) and "not these sizes" in square[2]


def test_what_is_not_offered_is_no_error(observations_of):
    def without(error):
        def attention(q, k, v, *, mask=None, is_causal=False):
            if mask is not None and is_causal:
                raise error("both")
            return control(q, k, v, mask=mask, is_causal=is_causal)

        return attention

    assert observations_of(without(NotImplementedError))["mask with is_causal"] == (None, UNTOLD, "not asked: unsupported: both")
    assert observations_of(without(ValueError))["mask with is_causal"][:2] == ("an error", DIFFERS)


@pytest.mark.slow
@pytest.mark.parametrize("window_end", [False, True])
@pytest.mark.parametrize("bottom_right", [False, True])
def test_windows_are_told_at_unequal_lengths(window_end, bottom_right, observations_of):
    def attention(q, k, v, *, is_causal=False, window=None):
        return control(q, k, v, is_causal=is_causal, bottom_right=bottom_right, window=window, window_end=window_end)

    observations = observations_of(attention, SLOW)
    sides = {False: ("top-left", MATCHES), True: ("bottom-right", OWED)}
    assert (
        observations["window_alignment"][:2] == sides[window_end] and observations["causal_alignment"][:2] == sides[bottom_right]
    )
    assert observations["precision float64"][0] == "exact"


def test_a_window_that_counts_its_own_place_is_told_and_asked_no_further(observations_of):
    def attention(q, k, v, *, window=None):
        return control(q, k, v, window=None if window is None else (window[0] - 1, window[1]), window_end=True)

    observations = observations_of(attention, SLOW)
    assert (
        observations["window"][:2] == ("left with its place", DIFFERS) and observations["window_alignment"][0] == "bottom-right"
    )
    assert observations["precision float64"][0] == "exact" and "causal" not in observations["empty_rows"][2]


def test_empty_rows_are_found_in_any_form_and_dtype(observations_of):
    def by(choose):
        def attention(q, k, v, *, mask=None, bias=None, is_causal=False):
            return control(
                q, k, v, mask=mask, bias=bias, is_causal=is_causal, bottom_right=True, rows=choose(q, k, mask, bias, is_causal)
            )

        return attention

    rows = {
        (True, False, False): "uniform",
        (False, True, False): "zeros",
        (False, False, True): "nan",
        (False, False, False): "nan",
    }
    by_form = by(lambda q, k, mask, bias, causal: rows.get((mask is not None, bias is not None, causal), "nan"))
    wanted = {"mask": "uniform", "bias": "zeros", "causal": "nan", "together": "nan"}
    assert observations_of(by_form)["empty_rows"][0] == wanted
    no_keys = by(lambda q, k, mask, bias, causal: "zeros" if k.shape[2] else "nan")
    assert observations_of(no_keys)["empty_rows"][0] == {"mask": "zeros", "bias": "zeros", "no_keys": "nan"}
    by_dtype = by(lambda q, k, mask, bias, causal: "nan" if q.dtype == np.float16 else "zeros")
    assert observations_of(by_dtype)["empty_rows"][0] == {
        "float32": "zeros",
        "float64": "zeros",
        "bfloat16": "zeros",
        "float16": "nan",
    }
    chance = by(lambda q, k, mask, bias, causal: "nan" if mask is not None and mask.shape[2] > 1 else "zeros")
    assert observations_of(chance)["empty_rows"][0]["mask"] == "unspecified"


def without(name, error=NotImplementedError):
    def attention(q, k, v, *, mask=None, bias=None):
        if {"mask": mask, "bias": bias}[name] is not None:
            raise error(name)
        return control(q, k, v, mask=mask, bias=bias, rows="nan")

    return attention


def bias_alone(q, k, v, *, bias=None):
    return control(q, k, v, bias=bias, rows="nan")


def mask_alone(q, k, v, *, mask=None):
    return control(q, k, v, mask=mask, rows="nan")


@pytest.mark.parametrize("function", [without("mask"), without("bias"), without("mask", ValueError), bias_alone, mask_alone])
def test_empty_rows_are_found_by_the_form_that_is_answered(function, observations_of):
    assert observations_of(function)["empty_rows"][:2] == ("nan", OWED)


SAFE = {(True, True): True, (True, False): "keys", (False, True): "values", (False, False): False}


@pytest.mark.parametrize("form", ["mask", "bias", "is_causal", "window"])
@pytest.mark.parametrize(("safe", "value"), SAFE.items())
def test_nan_is_looked_for_in_keys_and_in_values(safe, value, form, observations_of):
    def attend(q, k, v, **given):
        x = Inputs(q, k, v, **given)
        hidden = ~x.visible().any((1, 2))[:, None, :, None]
        bad = any(not ok and not np.isfinite(a).all() for ok, a in zip(safe, (k, v), strict=True))
        k, v = (np.where(hidden, 0, a).astype(a.dtype) for a in (k, v))
        out = control(q, k, v, **given)
        return np.full_like(out, np.nan) if bad else out

    functions = {
        "mask": lambda q, k, v, *, mask=None: attend(q, k, v, mask=mask),
        "bias": lambda q, k, v, *, bias=None: attend(q, k, v, bias=bias),
        "is_causal": lambda q, k, v, *, is_causal=False: attend(q, k, v, is_causal=is_causal),
        "window": lambda q, k, v, *, window=None: attend(q, k, v, window=window),
    }
    assert observations_of(functions[form], (*NOT_PRECISION, "empty_rows"))["masked_nan_safe"][0] == value


def in_float32(name):
    """A function that computes in float64 all but one thing."""

    def narrow(value):
        return None if value is None else np.asarray(value, np.float32).astype(np.float64)

    def plain(q, k, v):
        return control(q, k, v, number=np.float32)

    def given(q, k, v, *, scale=None):
        return control(q, k, v, scale=scale, number=None if scale is None else np.float32)

    def biased(q, k, v, *, bias=None):
        return control(q, k, v, bias=narrow(bias))

    def powers(q, k, v):
        s = q @ k.swapaxes(-1, -2) * q.shape[3] ** -0.5
        p = np.exp((s - s.max(-1, keepdims=True)).astype(np.float32)).astype(v.dtype)
        return (p / p.sum(-1, keepdims=True) @ v).astype(q.dtype)

    def only_64(q, k, v, *, scale=None):
        if q.shape[3] != 64:
            raise ValueError("64")
        return control(q, k, v, scale=scale, number=np.float32)

    return {"default scale": plain, "scale": given, "bias": biased, "softmax": powers, "scale at D = 64": only_64}[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["default scale", "scale", "bias", "softmax", "scale at D = 64"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_float64_is_exact_only_if_all_of_it_is(name, observations_of):
    assert observations_of(in_float32(name), SLOW)["precision float64"][:2] == ("computed-in-float32", OWED)


def test_a_wrong_function_is_said_to_be_wrong_once(observations_of):
    observations = observations_of(lambda q, k, v, *, mask=None: (1 + control(q, k, v, mask=mask)).astype(q.dtype))
    assert (
        observations["plain call"][:2] == ("something else", DIFFERS)
        and observations["mask_means"][1] == observations["empty_rows"][1] == UNTOLD
    )
