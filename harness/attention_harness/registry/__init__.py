"""Names and places of implementations, and how they are loaded."""
