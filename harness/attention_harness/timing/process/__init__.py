"""The process in which all candidates of a workload run side by side, from both of its ends."""
