"""Layers with fewer key heads than query heads, as large models have them, and wrong twins."""

from types import SimpleNamespace

from torch import nn
from torch.nn import functional as F


class GroupedQueryAttention(nn.Module):
    def __init__(self, hidden_size, num_heads, num_key_value_heads):
        super().__init__()
        self.num_heads, self.num_key_value_heads, self.head_dim = num_heads, num_key_value_heads, hidden_size // num_heads
        self.q_proj = nn.Linear(hidden_size, num_heads * self.head_dim, bias=False)
        self.k_proj = nn.Linear(hidden_size, num_key_value_heads * self.head_dim, bias=False)
        self.v_proj = nn.Linear(hidden_size, num_key_value_heads * self.head_dim, bias=False)
        self.o_proj = nn.Linear(num_heads * self.head_dim, hidden_size, bias=False)

    def repeat(self, a):
        return a.repeat_interleave(self.num_heads // self.num_key_value_heads, dim=1)

    def forward(self, x):
        batch, length, _ = x.shape
        q = self.q_proj(x).view(batch, length, self.num_heads, self.head_dim).transpose(1, 2)
        k = self.k_proj(x).view(batch, length, self.num_key_value_heads, self.head_dim).transpose(1, 2)
        v = self.v_proj(x).view(batch, length, self.num_key_value_heads, self.head_dim).transpose(1, 2)
        out = F.scaled_dot_product_attention(q, self.repeat(k), self.repeat(v), is_causal=True)
        return self.o_proj(out.transpose(1, 2).reshape(batch, length, -1))


class GroupedQueryAttentionThatTilesHeads(GroupedQueryAttention):
    def repeat(self, a):
        return a.repeat(1, self.num_heads // self.num_key_value_heads, 1, 1)


layer = GroupedQueryAttention(48, 6, 3)


class FusedGroupedQueryAttention(nn.Module):
    """One projection for all, sizes in a config, cross-attention not known."""

    def __init__(self, config):
        super().__init__()
        self.n_head, self.n_kv_heads, self.head_dim = config.n_head, config.n_kv_heads, config.n_embd // config.n_head
        self.c_attn = nn.Linear(config.n_embd, (self.n_head + 2 * self.n_kv_heads) * self.head_dim)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd)

    def grouped(self, a):
        return a

    def forward(self, x, mask=None):
        batch, length, d_model = x.shape
        fused = self.c_attn(x)
        widths = [self.n_head * self.head_dim, *[self.n_kv_heads * self.head_dim] * 2]
        q, k, v = (a.view(batch, length, -1, self.head_dim).transpose(1, 2) for a in fused.split(widths, -1))
        q = q.unflatten(1, (self.n_kv_heads, -1)) if self.n_kv_heads else q
        scores = q @ k.unsqueeze(2).mT / self.head_dim**0.5
        if mask is not None:
            scores = scores.masked_fill(mask.view(mask.shape[0], 1, 1, *mask.shape[-2:]) == 0, float("-inf"))
        out = scores.softmax(-1) @ v.unsqueeze(2)
        return self.c_proj(out.flatten(1, 2).transpose(1, 2).reshape(batch, length, d_model))


fused = FusedGroupedQueryAttention(SimpleNamespace(n_embd=32, n_head=4, n_kv_heads=1))
