"""The diagnosis of a failure: wrong readings of a call, and which of them explains the answers of an implementation."""
