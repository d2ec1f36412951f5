"""Modules of torch, flax and equinox as functions `multi_head`: their weights are set from the problem of each call."""
