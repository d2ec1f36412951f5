"""Attentions in Equinox."""
