"""Attentions in NumPy."""
