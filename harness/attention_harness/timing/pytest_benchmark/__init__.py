"""Timings in the terms of pytest-benchmark."""
