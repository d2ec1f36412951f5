"""Drives: cases, checks, isolation, timing, records, command line. Importing it loads no framework."""
