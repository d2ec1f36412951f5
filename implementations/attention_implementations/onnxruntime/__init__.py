"""Attentions in ONNX Runtime."""
