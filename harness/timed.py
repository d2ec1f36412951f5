"""Timing into the folder of a run."""
