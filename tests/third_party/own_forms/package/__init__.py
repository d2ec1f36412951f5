"""A package whose files import each other."""
