"""What is asked: shapes, strategies, cases by name, vectors of others, and what they cover."""
