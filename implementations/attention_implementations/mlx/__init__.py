"""Attentions in MLX."""
