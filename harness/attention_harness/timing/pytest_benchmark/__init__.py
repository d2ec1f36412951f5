"""The same timings in the terms of pytest-benchmark."""
