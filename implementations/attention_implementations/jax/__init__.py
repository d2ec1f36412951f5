"""Attentions in JAX."""
