"""Attentions in Triton on a GPU of NVIDIA."""
