"""Measurement inside the timed process: slots, buffers, clocks, memory."""
