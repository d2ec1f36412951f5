"""What happens inside the timed process: slots, buffers, clocks, memory."""
