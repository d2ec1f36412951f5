"""Layers as tutorials and small models write them, in torch."""

import math

import torch
from torch import nn
from torch.nn import functional as F


class MultiHeadAttention(nn.Module):
    """Four projections W_q, W_k, W_v and W_o, a mask of 0 and 1 that fills with -1e9."""

    def __init__(self, d_model, num_heads):
        super().__init__()
        assert d_model % num_heads == 0
        self.d_model, self.num_heads, self.d_k = d_model, num_heads, d_model // num_heads
        self.W_q = nn.Linear(d_model, d_model)
        self.W_k = nn.Linear(d_model, d_model)
        self.W_v = nn.Linear(d_model, d_model)
        self.W_o = nn.Linear(d_model, d_model)

    def scaled_dot_product_attention(self, Q, K, V, mask=None):
        scores = torch.matmul(Q, K.transpose(-2, -1)) / self.scale()
        if mask is not None:
            scores = scores.masked_fill(mask == 0, -1e9)
        return torch.matmul(torch.softmax(scores, dim=-1), V)

    def scale(self):
        return math.sqrt(self.d_k)

    def split_heads(self, x):
        return x.view(x.size(0), x.size(1), self.num_heads, self.d_k).transpose(1, 2)

    def combine_heads(self, x):
        return x.transpose(1, 2).contiguous().view(x.size(0), -1, self.d_model)

    def forward(self, Q, K, V, mask=None):
        Q, K, V = self.split_heads(self.W_q(Q)), self.split_heads(self.W_k(K)), self.split_heads(self.W_v(V))
        return self.W_o(self.combine_heads(self.scaled_dot_product_attention(Q, K, V, mask)))


class ScaledByTheModel(MultiHeadAttention):
    """The scale is that of the model, not of a head."""

    def scale(self):
        return math.sqrt(self.d_model)


class MultiHeadAttentionWithPadding(MultiHeadAttention):
    """True in its mask hides a key, as in torch's own layer."""

    def forward(self, Q, K, V, key_padding_mask=None):
        return super().forward(Q, K, V, None if key_padding_mask is None else ~key_padding_mask[:, None, None])


class CausalSelfAttention(nn.Module):
    """A fused projection, sizes from a configuration, causal by itself."""

    def __init__(self, config):
        super().__init__()
        self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd, bias=config.bias)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd, bias=config.bias)
        self.n_head, self.n_embd, self.dropout = config.n_head, config.n_embd, config.dropout

    def heads_of(self, x, size):
        return x.view(*size, self.n_head, self.n_embd // self.n_head).transpose(1, 2)

    def forward(self, x):
        B, T, C = x.size()
        q, k, v = (self.heads_of(a, (B, T)) for a in self.c_attn(x).split(self.n_embd, dim=2))
        y = F.scaled_dot_product_attention(q, k, v, dropout_p=self.dropout if self.training else 0, is_causal=True)
        return self.c_proj(y.transpose(1, 2).contiguous().view(B, T, C))


class CausalSelfAttentionThatTilesHeads(CausalSelfAttention):
    """Its heads are interleaved on the way in, and joined as blocks on the way out."""

    def heads_of(self, x, size):
        return x.view(*size, self.n_embd // self.n_head, self.n_head).permute(0, 3, 1, 2)


class MultiHeadAttentionFromScratch(nn.Module):
    """No biases but that of the output, a triangle as a buffer of a given length."""

    def __init__(self, d_in, d_out, context_length, dropout, num_heads, qkv_bias=False):
        super().__init__()
        self.d_out, self.num_heads, self.head_dim = d_out, num_heads, d_out // num_heads
        self.W_query = nn.Linear(d_in, d_out, bias=False)
        self.W_key = nn.Linear(d_in, d_out, bias=False)
        self.W_value = nn.Linear(d_in, d_out, bias=False)
        self.out_proj = nn.Linear(d_out, d_out)
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("mask", torch.triu(torch.ones(context_length, context_length), diagonal=self.first_hidden()))

    def first_hidden(self):
        return 1

    def forward(self, x):
        b, n, _ = x.shape
        q, k, v = (
            w(x).view(b, n, self.num_heads, self.head_dim).transpose(1, 2) for w in (self.W_query, self.W_key, self.W_value)
        )
        scores = q @ k.transpose(2, 3)
        scores.masked_fill_(self.mask.bool()[:n, :n], -torch.inf)
        weights = self.dropout(torch.softmax(scores / self.head_dim**0.5, dim=-1))
        return self.out_proj((weights @ v).transpose(1, 2).contiguous().view(b, n, self.d_out))


class MultiHeadAttentionThatSeesTheNextKey(MultiHeadAttentionFromScratch):
    """The triangle begins one key too late."""

    def first_hidden(self):
        return 2


class Head(nn.Module):
    """One head of a character model."""

    def __init__(self, n_embd, head_size):
        super().__init__()
        self.key = nn.Linear(n_embd, head_size, bias=False)
        self.query = nn.Linear(n_embd, head_size, bias=False)
        self.value = nn.Linear(n_embd, head_size, bias=False)

    def forward(self, x):
        weights = F.softmax(self.query(x) @ self.key(x).transpose(-2, -1) * self.key.out_features**-0.5, dim=-1)
        return weights @ self.value(x)


class SeveralHeads(nn.Module):
    """A list of heads, and a projection of what they give."""

    def __init__(self, n_embd, num_heads):
        super().__init__()
        self.heads = nn.ModuleList([Head(n_embd, n_embd // num_heads) for _ in range(num_heads)])
        self.proj = nn.Linear(n_embd, n_embd)

    def forward(self, x):
        return self.proj(torch.cat([head(x) for head in self.heads], dim=-1))


class Annotated(nn.Module):
    """Four linears in a list, a mask [B, L, L] that gets its heads here, a tuple that always comes back."""

    def __init__(self, h, d_model, dropout=0.1):
        super().__init__()
        self.d_k, self.h = d_model // h, h
        self.linears = nn.ModuleList([nn.Linear(d_model, d_model) for _ in range(4)])
        self.dropout = nn.Dropout(dropout)

    def of_heads(self, mask):
        return mask.unsqueeze(1)

    def forward(self, query, key, value, mask=None):
        mask = self.of_heads(mask) if mask is not None else None
        size = query.size(0)
        query, key, value = (
            one(x).view(size, -1, self.h, self.d_k).transpose(1, 2)
            for one, x in zip(self.linears, (query, key, value), strict=False)
        )
        scores = torch.matmul(query, key.transpose(-2, -1)) / math.sqrt(self.d_k)
        scores = scores.masked_fill(mask == 0, -1e9) if mask is not None else scores
        weights = self.dropout(scores.softmax(dim=-1))
        x = torch.matmul(weights, value).transpose(1, 2).contiguous().view(size, -1, self.h * self.d_k)
        return self.linears[-1](x), weights


class AnnotatedWithoutTheMaskOfTheLastEntry(Annotated):
    """The last entry of a batch gets no mask."""

    def of_heads(self, mask):
        mask = mask.clone()
        mask[1:][-1:] = 1
        return mask.unsqueeze(1)


class Raw(nn.Module):
    """Raw parameters in place of linears, values first, a mask that is added."""

    def __init__(self, embed_size, heads):
        super().__init__()
        self.heads = heads
        self.wq, self.wk, self.wv, self.wo = (nn.Parameter(torch.randn(embed_size, embed_size)) for _ in range(4))

    def forward(self, values, keys, queries, attention_mask=None):
        v, k, q = (
            torch.einsum("bld,ed->ble", x, w).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for x, w in ((values, self.wv), (keys, self.wk), (queries, self.wq))
        )
        scores = q @ k.mT * q.shape[-1] ** -0.5
        scores = scores if attention_mask is None else scores + attention_mask
        return (scores.softmax(-1) @ v).transpose(1, 2).flatten(2) @ self.wo.T


class Renamed(MultiHeadAttention):
    """Names that mean nothing."""

    def __init__(self, d_model, num_heads):
        super().__init__(d_model, num_heads)
        self.alpha, self.beta, self.gamma, self.delta = self.W_q, self.W_k, self.W_v, self.W_o
        del self.W_q, self.W_k, self.W_v, self.W_o

    def forward(self, Q, K, V, mask=None):
        self_q, self_k, self_v = self.split_heads(self.alpha(Q)), self.split_heads(self.beta(K)), self.split_heads(self.gamma(V))
        return self.delta(self.combine_heads(self.scaled_dot_product_attention(self_q, self_k, self_v, mask)))


class RenamedAndExchanged(Renamed):
    """Declared as it is not: keys and values are exchanged."""


layer = MultiHeadAttention(32, 4)


class ScaledDotProductAttention(nn.Module):
    """No parameters: a function of arrays."""

    def __init__(self, dropout=0.1):
        super().__init__()
        self.dropout = nn.Dropout(dropout)

    def forward(self, q, k, v, mask=None):
        scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
        scores = scores if mask is None else scores.masked_fill(mask == 0, float("-inf"))
        return self.dropout(scores.softmax(-1)) @ v
