"""Attentions in Hugging Face's transformers."""
