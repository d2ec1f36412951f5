"""Attentions in OpenVINO."""
