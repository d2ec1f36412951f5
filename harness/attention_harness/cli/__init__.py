"""The command line: one place to parse, one to print, one function for each command."""
