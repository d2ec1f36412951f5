"""Layers of torch: the library's own, a compiled one, and one whose names mean nothing."""

import torch
from torch import nn

from tutorial import MultiHeadAttention

MultiheadAttention = nn.MultiheadAttention

compiled = torch.compile(MultiHeadAttention(16, 2), backend="eager", dynamic=True)


class NamesThatMeanNothing(nn.Module):
    """Four parameters of the alphabet."""

    def __init__(self, d_model, heads):
        super().__init__()
        self.alpha, self.beta, self.gamma, self.delta = (nn.Linear(d_model, d_model) for _ in range(4))

    def forward(self, x):
        return x
