"""Failures of an implementation: made small, explained, written down, waived."""
