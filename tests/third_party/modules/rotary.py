"""Layers that turn queries and keys by their positions, as large models do, and wrong twins."""

import torch
from grouped import GroupedQueryAttention
from torch import nn


def rotate_half(x):
    first, second = x.chunk(2, dim=-1)
    return torch.cat((-second, first), dim=-1)


class RotaryAttention(nn.Module):
    """Halves, tables of sines and cosines in float32."""

    def __init__(self, hidden_size, num_heads, num_key_value_heads, rope_theta=10000.0):
        super().__init__()
        self.num_heads, self.num_key_value_heads, self.head_dim = num_heads, num_key_value_heads, hidden_size // num_heads
        self.rope_theta = rope_theta
        self.q_proj = nn.Linear(hidden_size, num_heads * self.head_dim, bias=False)
        self.k_proj = nn.Linear(hidden_size, num_key_value_heads * self.head_dim, bias=False)
        self.v_proj = nn.Linear(hidden_size, num_key_value_heads * self.head_dim, bias=False)
        self.o_proj = nn.Linear(num_heads * self.head_dim, hidden_size, bias=False)

    def tables(self, positions, dtype):
        frequencies = self.rope_theta ** -(torch.arange(0, self.head_dim, 2).float() / self.head_dim)
        angles = torch.outer(positions.float(), frequencies)
        angles = torch.cat((angles, angles), dim=-1)
        return angles.cos().to(dtype), angles.sin().to(dtype)

    def turned(self, x, positions):
        cos, sin = self.tables(positions, x.dtype)
        return x * cos + rotate_half(x) * sin

    def rotate(self, q, k, v):
        positions = torch.arange(q.shape[2])
        return self.turned(q, positions), self.turned(k, positions), v

    def forward(self, x):
        batch, length, _ = x.shape
        q, k, v = (
            project(x).view(batch, length, -1, self.head_dim).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        q, k, v = self.rotate(q, k, v)
        k, v = (a.repeat_interleave(self.num_heads // self.num_key_value_heads, dim=1) for a in (k, v))
        out = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.o_proj(out.transpose(1, 2).reshape(batch, length, -1))


class RotaryAttentionThatTurnsValues(RotaryAttention):
    def rotate(self, q, k, v):
        positions = torch.arange(q.shape[2])
        return tuple(self.turned(a, positions) for a in (q, k, v))


class RotaryAttentionWithQueriesOneAhead(RotaryAttention):
    def rotate(self, q, k, v):
        positions = torch.arange(q.shape[2])
        return self.turned(q, positions + 1), self.turned(k, positions), v


declared_with_other_pairs = RotaryAttention(32, 4, 2)
far = RotaryAttention(32, 4, 2, rope_theta=500000.0)


class ComplexRotaryAttention(nn.Module):
    """Neighbouring channels are one complex number."""

    def __init__(self, dim, n_heads, max_seq_len=64):
        super().__init__()
        self.n_heads, self.head_dim = n_heads, dim // n_heads
        self.wq, self.wk, self.wv, self.wo = (nn.Linear(dim, dim) for _ in range(4))
        self.max_seq_len = max_seq_len

    def freqs_cis(self, length):
        frequencies = 1.0 / (10000.0 ** (torch.arange(0, self.head_dim, 2).float() / self.head_dim))
        angles = torch.outer(torch.arange(length).float(), frequencies)
        return torch.polar(torch.ones_like(angles), angles)

    def apply_rotary(self, a):
        numbers = torch.view_as_complex(a.float().reshape(*a.shape[:-1], -1, 2))
        turned = numbers * self.freqs_cis(a.shape[1])[None, :, None]
        return torch.view_as_real(turned).flatten(-2).type_as(a)

    def forward(self, x, mask=None):
        batch, length, _ = x.shape
        q, k, v = (project(x).view(batch, length, self.n_heads, self.head_dim) for project in (self.wq, self.wk, self.wv))
        q, k, v = (a.transpose(1, 2) for a in (self.apply_rotary(q), self.apply_rotary(k), v))
        scores = q @ k.transpose(2, 3) / self.head_dim**0.5
        if mask is not None:
            scores = scores + mask
        out = torch.softmax(scores.float(), dim=-1).type_as(q) @ v
        return self.wo(out.transpose(1, 2).reshape(batch, length, -1))


class PositionsFromOutside(GroupedQueryAttention):
    """The tables of the rotation come from the model around it."""

    def forward(self, x, cos, sin):
        return super().forward(x) * cos * sin
