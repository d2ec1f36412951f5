"""Ways to compute attention: one per file, registered under the file's name; files beginning with `_` are shared helpers."""
