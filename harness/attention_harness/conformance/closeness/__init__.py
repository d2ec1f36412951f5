"""Closeness of anybody's arrays to the definition: calls in their own form, the bound, and the assertion."""
