"""torch: a compiled function, an operator of a library, and an autograd function that is applied by position."""

import torch


def _attend(q, k, v, is_causal, scale):
    k, v = (torch.repeat_interleave(a, q.shape[1] // max(a.shape[1], 1), 1) for a in (k, v))
    work = torch.promote_types(q.dtype, torch.float32)
    scores = (q.to(work) @ k.to(work).mT) * (max(q.shape[-1], 1) ** -0.5 if scale is None else scale)
    if is_causal:
        scores = scores.masked_fill(torch.ones(scores.shape[-2:], dtype=torch.bool).tril().logical_not(), float("-inf"))
    return (scores.softmax(-1) @ v.to(work)).to(q.dtype)


@torch.compile(backend="eager", dynamic=True)
def compiled(q, k, v, *, is_causal: bool = False, sm_scale: float | None = None):
    """As one writes it; another back end gives the same."""
    return _attend(q, k, v, is_causal, sm_scale)


@torch.compile(backend="eager", dynamic=True)
def compiled_with_another_scale(q, k, v, *, is_causal: bool = False, sm_scale: float | None = None):
    """The default scale is that of the values."""
    return _attend(q, k, v, is_causal, max(v.shape[-1], 1) ** -0.5 if sm_scale is None else sm_scale)


@torch.library.custom_op("own_forms::attention", mutates_args=())
def operator(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, is_causal: bool = False, scale: float | None = None
) -> torch.Tensor:
    """An operator."""
    return _attend(q, k, v, is_causal, scale)


@operator.register_fake
def _(q, k, v, is_causal=False, scale=None):
    return q.new_empty((*q.shape[:3], v.shape[3]))


@torch.library.custom_op("own_forms::without_a_fake", mutates_args=())
def operator_without_a_fake(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """An operator that cannot be traced."""
    return _attend(q, k, v, False, None)


@torch.library.custom_op("own_forms::forgets", mutates_args=())
def operator_forgets_causality(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, is_causal: bool = False, scale: float | None = None
) -> torch.Tensor:
    """An operator that is causal without a scale alone."""
    return _attend(q, k, v, is_causal and scale is None, scale)


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(ctx, q, k, v, causal, sm_scale):
        return _attend(q, k, v, causal, sm_scale)


applied = _Attention.apply
