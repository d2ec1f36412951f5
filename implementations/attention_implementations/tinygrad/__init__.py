"""Attentions in tinygrad."""
