"""Attentions in Flax."""
