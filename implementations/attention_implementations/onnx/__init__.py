"""Attentions in the reference implementation of ONNX."""
