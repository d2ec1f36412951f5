"""The cases of a run: shapes, strategies, edge cases, vectors, and their coverage."""
