"""Attentions in Triton, on torch's tensors."""
