"""Implementations in torch on a GPU of NVIDIA."""
