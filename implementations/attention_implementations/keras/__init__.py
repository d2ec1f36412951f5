"""Attentions in Keras, on each of its backends."""
