"""The code here is somebody else's: it is imported by workers only."""

collect_ignore = ["foreign_attention", "own_forms", "modules"]
