"""The report of an audit: not whether an implementation is right, but what the properties would see if it were not."""
