"""Attentions in x-transformers."""
