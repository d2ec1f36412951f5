"""The command line: one file for each command, one to parse options, one to print."""
