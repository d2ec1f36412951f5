"""The foreign package is somebody else's: it is imported by workers only."""

collect_ignore = ["foreign_attention"]
