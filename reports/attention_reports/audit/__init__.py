"""The report of an audit: which planted faults the properties reject."""
