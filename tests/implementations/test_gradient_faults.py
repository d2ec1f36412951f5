"""Bugs planted in a backward pass are each rejected by the claim that is there for them; the sound one is not."""

from __future__ import annotations

from typing import Any

import pytest

from harness.cases import spread
from harness.conformance import load_claims
from harness.drawing import draw
from harness.judging import applies, judge
from harness.shapes import Shape
from specs.claims import CLAIMS
from specs.contract import declares
from specs.inputs import realise

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore:The given NumPy array is not writable")


CALLS = {"backward": 0}


def per_head(a, q):
    return a if a.shape[1] == q.shape[1] else a.repeat_interleave(q.shape[1] // a.shape[1], 1)


def over_group(a, like):
    group = a.shape[1] // max(like.shape[1], 1)
    return a.reshape(a.shape[0], like.shape[1], group, *a.shape[2:]).sum(2)


class Attention(torch.autograd.Function):
    """The formula of `specs.gradients`, in float32 or better, on weights recomputed from the lse."""

    @staticmethod
    def forward(ctx: Any, q, k, v, bias, sinks, seen, scale, softcap, fault):
        work = torch.promote_types(q.dtype, torch.float32)
        s = scale * (q.to(work) @ per_head(k, q).to(work).mT)
        t = None if softcap is None else torch.tanh(s / softcap)
        s = s if softcap is None else softcap * t
        s = s if bias is None else s + bias.to(work)
        z = s if seen is None else s.masked_fill(~seen, -torch.inf)
        column = (
            s.new_full((*s.shape[:3], 1), -torch.inf) if sinks is None else sinks.to(work)[:, None, None].expand(*s.shape[:3], 1)
        )
        lse = torch.logsumexp(torch.cat([z, column], -1), -1, keepdim=True)
        weights = torch.softmax(torch.cat([z, column], -1), -1)[..., :-1].masked_fill(z == -torch.inf, 0)
        recomputed = torch.exp(z - lse).masked_fill(z == -torch.inf, 0)
        if fault == "outputs_are_rounded_when_recording" and (q.requires_grad or k.requires_grad):
            weights = weights.bfloat16().to(work)
        out = (weights @ per_head(v, q).to(work)).to(q.dtype)
        ctx.save_for_backward(q, k, v, bias, sinks, seen, s, z, lse, recomputed, out, t, column)
        ctx.scale, ctx.softcap, ctx.fault = scale, softcap, fault
        return out

    @staticmethod
    def backward(ctx: Any, dout):
        q, k, v, bias, sinks, _, s, z, lse, w, out, t, column = ctx.saved_tensors
        fault, work, scale = ctx.fault, w.dtype, ctx.scale
        CALLS["backward"] += 1
        if fault == "no_queries_are_refused" and not q.shape[2]:
            raise RuntimeError("invalid configuration: grid of size 0")
        if fault == "strides_of_the_output_gradient_are_ignored":
            held = torch.as_strided(dout, (dout.untyped_storage().nbytes() // dout.element_size() - dout.storage_offset(),), (1,))
            places = torch.arange(dout.numel())
            dout = torch.where(places < held.numel(), held[places.clamp(max=held.numel() - 1)], 0).reshape(dout.shape)
        if fault == "hidden_keys_count_in_backward":
            w = torch.exp(s - lse.masked_fill(lse == -torch.inf, torch.inf))
        if fault == "the_lse_is_taken_for_base_2":
            w = torch.exp2(z - lse).masked_fill(z == -torch.inf, 0)
        if fault == "no_guard_for_rows_without_keys":
            w = torch.exp(z - lse)
        d = dout.to(work)
        products = d @ per_head(v, q).to(work).mT
        means = (d * out.to(work)).sum(-1, keepdim=True)
        if fault == "the_rowsum_is_forgotten":
            means = torch.zeros_like(means)
        if fault == "the_rowsum_is_that_of_the_first_head":
            means = means[:, :1].expand_as(means)
        if fault == "the_rowsum_is_that_of_the_first_batch_entry":
            means = means[:1].expand_as(means)
        ds = w * (products - means)
        if fault == "score_gradients_are_off_by_1e-3":
            ds = ds * (1 + 1e-3 * torch.sin(37 * s.masked_fill(s == -torch.inf, 0)))
        if fault == "score_gradients_are_rounded_to_bfloat16":
            ds = ds.bfloat16().to(work)
        slope = 1 if t is None or fault == "the_slope_of_the_softcap_is_forgotten" else 1 - t * t
        slope = 1 - t if t is not None and fault == "the_slope_of_the_softcap_is_not_squared" else slope
        da = scale * slope * ds
        dk_scale = 1 / scale if fault == "the_scale_is_forgotten_in_dk" and scale else 1
        dq, dk, dv = da @ per_head(k, q).to(work), dk_scale * da.mT @ q.to(work), w.mT @ d
        if fault == "the_scale_is_applied_twice_in_dq":
            dq = dq * scale
        if fault == "the_last_keys_beyond_a_block_are_dropped" and k.shape[2] % 16:
            dk[:, :, -1] = 0
        if fault == "the_last_query_is_dropped_from_dv":
            dv = w[:, :, :-1].mT @ d[:, :, :-1]
        if fault == "dk_of_the_first_head_of_a_group_alone":
            group = q.shape[1] // max(k.shape[1], 1)
            dk, dv = dk[:, ::group], dv[:, ::group]
        elif fault == "groups_are_summed_in_the_wrong_order":
            group = q.shape[1] // max(k.shape[1], 1)
            dk = dk.reshape(dk.shape[0], group, k.shape[1], *dk.shape[2:]).sum(1)
            dv = over_group(dv, v)
        else:
            dk, dv = over_group(dk, k), over_group(dv, v)
        if fault == "every_second_call_is_off_by_one_bit" and CALLS["backward"] % 2 and dk.dtype == k.dtype:
            dk = torch.nextafter(dk, torch.full_like(dk, 9))
        dbias = None
        if bias is not None:
            dbias = ds.sum_to_size(bias.shape)
            if fault == "the_bias_gradient_is_not_summed":
                dbias = dbias / (ds.numel() / max(bias.numel(), 1))
            if fault == "the_bias_gets_no_gradient":
                dbias = torch.zeros_like(bias)
            if fault == "the_bias_gradient_is_scaled":
                dbias = dbias * scale
        dsinks = None
        if sinks is not None:
            share = torch.exp(column - lse)
            sign = 1 if fault == "the_sign_of_the_sinks_gradient" else -1
            dsinks = sign * (share * means).sum((0, 2, 3))
            if fault == "the_sinks_get_no_gradient":
                dsinks = torch.zeros_like(sinks)
        return (*(None if g is None else g.to(q.dtype) for g in (dq, dk, dv, dbias, dsinks)), None, None, None, None)


def planted(fault: str) -> Any:
    """The attention with this bug in its backward pass; "" for none."""

    @declares(framework="torch", gradient=True, precision={"bfloat16": "exact", "float16": "exact"})
    def attention(
        q,
        k,
        v,
        *,
        mask: Any = None,
        bias: Any = None,
        scale: Any = None,
        softcap: Any = None,
        sinks: Any = None,
    ):
        scale = max(q.shape[-1], 1) ** -0.5 if scale is None else scale
        return Attention.apply(q, k, v, bias, sinks, mask, scale, softcap, fault)

    return attention


FAULTS = {
    "the_rowsum_is_forgotten": "gradients_agree_with_the_oracle",
    "the_rowsum_is_that_of_the_first_head": "gradients_agree_with_the_oracle",
    "the_rowsum_is_that_of_the_first_batch_entry": "gradients_agree_with_the_oracle",
    "the_scale_is_forgotten_in_dk": "gradients_agree_with_the_oracle",
    "the_scale_is_applied_twice_in_dq": "gradients_agree_with_the_oracle",
    "the_slope_of_the_softcap_is_forgotten": "gradients_agree_with_the_oracle",
    "the_slope_of_the_softcap_is_not_squared": "gradients_agree_with_the_oracle",
    "the_lse_is_taken_for_base_2": "gradients_agree_with_the_oracle",
    "score_gradients_are_off_by_1e-3": "gradients_agree_with_the_oracle",
    "score_gradients_are_rounded_to_bfloat16": "gradients_agree_with_the_oracle",
    "the_last_keys_beyond_a_block_are_dropped": "gradients_agree_with_the_oracle",
    "the_last_query_is_dropped_from_dv": "an_output_gradient_in_one_row_reaches_one_query",
    "dk_of_the_first_head_of_a_group_alone": "gradients_agree_with_the_oracle",
    "groups_are_summed_in_the_wrong_order": "gradients_agree_with_the_oracle",
    "hidden_keys_count_in_backward": "keys_that_nobody_sees_get_no_gradient",
    "no_guard_for_rows_without_keys": "empty_rows_give_no_gradient",
    "strides_of_the_output_gradient_are_ignored": "layout_of_the_output_gradient_does_not_matter",
    "the_bias_gradient_is_not_summed": "bias_and_sink_gradients_agree_with_the_oracle",
    "the_bias_gets_no_gradient": "bias_and_sink_gradients_agree_with_the_oracle",
    "the_bias_gradient_is_scaled": "bias_and_sink_gradients_agree_with_the_oracle",
    "the_sign_of_the_sinks_gradient": "bias_and_sink_gradients_agree_with_the_oracle",
    "the_sinks_get_no_gradient": "bias_and_sink_gradients_agree_with_the_oracle",
    "no_queries_are_refused": "gradient_has_the_shape_and_dtype_of_its_argument",
    "every_second_call_is_off_by_one_bit": "same_gradient_twice_gives_the_same_bits",
    "outputs_are_rounded_when_recording": "recording_gradients_does_not_change_the_output",
}
"""Fault -> the claim that must reject it. The row sum of dS (G4) rejects the first three as well."""

ROW_SUMS = ("the_rowsum_is_forgotten", "the_rowsum_is_that_of_the_first_head", "the_rowsum_is_that_of_the_first_batch_entry")


SHAPES = [Shape(2, 4, 2, 5, 7, 8, 8), Shape(1, 2, 1, 17, 33, 16, 4), Shape(2, 2, 2, 1, 4, 4, 4), Shape(2, 6, 2, 3, 20, 4, 8)]
NO_QUERIES = [Shape(2, 2, 2, 0, 4, 4, 4)]
load_claims()


@pytest.fixture(scope="module")
def cases():
    """A few dozen small calls in float32, some of size 0."""
    return draw(spread(SHAPES, ["float32"]), 48, 0) + draw(spread(NO_QUERIES, ["float32"]), 2, 0)


@pytest.fixture
def found(subject_of, cases):
    """The findings of one claim on all cases, one after the other."""

    def findings(fault, claim):
        subject = subject_of(planted(fault))
        for case in cases:
            subject.forget()
            x = realise(case)
            if applies(subject, CLAIMS[claim], x):
                yield from judge(subject, x, [CLAIMS[claim]])

    return findings


@pytest.mark.parametrize("claim", sorted(name for name, claim in CLAIMS.items() if claim.gradient and claim.spec == "attention"))
def test_a_sound_backward_pass_is_not_rejected(claim, found):
    findings = list(found("", claim))
    assert [finding.verdict.message for finding in findings if finding.wrong] == []
    assert "agrees" in {finding.outcome for finding in findings}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_rejected_by_its_claim(fault, found):
    assert any(finding.wrong for finding in found(fault, FAULTS[fault]))


@pytest.mark.parametrize("fault", ROW_SUMS)
def test_row_sums_reject_a_wrong_mean_without_an_oracle(fault, found):
    assert any(finding.wrong for finding in found(fault, "score_gradients_sum_to_zero_and_are_zero_where_masked"))


def test_who_declares_no_gradient_is_not_asked(subject_of, cases):
    function = planted("")
    function.gradient = False
    assert not any(applies(subject_of(function), claim, realise(cases[0])) for claim in CLAIMS.values() if claim.gradient)
