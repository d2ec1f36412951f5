"""Attention: problems, inputs, oracle, bounds and gradients."""
