"""The section of the page on times, and its pictures."""
