"""Attentions in torch, on the CPU and on CUDA devices."""
